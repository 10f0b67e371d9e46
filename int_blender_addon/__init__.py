"""INT Mocap: motion capture from video onto an SMPL-rigged armature, inside Blender.

`core` is importable without Blender; everything else is loaded by `register`.
"""


def register() -> None:
    """Called by Blender when the extension is enabled."""
    from . import registration

    registration.register()


def unregister() -> None:
    """Called by Blender when the extension is disabled; leaves nothing behind."""
    from . import registration

    registration.unregister()
