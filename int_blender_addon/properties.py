"""What the panel asks for. Kept with the window, not in the file: no paths travel in a .blend."""

from __future__ import annotations

import bpy

from . import own_files, placing

_kept: dict[str, list[tuple[str, str, str]]] = {}  # Blender needs the words of its lists to stay alive


def _models(_self: bpy.types.PropertyGroup, _context: bpy.types.Context | None) -> list[tuple[str, str, str]]:
    _kept["model"] = [("auto", "The one that ships", "Free for every use"), *_files(own_files.MODEL)]
    return _kept["model"]


def _bodies(_self: bpy.types.PropertyGroup, _context: bpy.types.Context | None) -> list[tuple[str, str, str]]:
    _kept["body"] = [("free", "The one that ships", "Free for every use"), *_files(own_files.BODY)]
    return _kept["body"]


def _files(kind: str) -> list[tuple[str, str, str]]:
    return [(str(path), path.stem.removesuffix(".pth"), str(path)) for path in own_files.listed(kind)]


def _video_changed(settings: INT_MOCAP_PG_capture, context: bpy.types.Context) -> None:
    from .operators import preview

    preview.show_first(bpy.path.abspath(settings.video))


def _trim_changed(settings: INT_MOCAP_PG_capture, context: bpy.types.Context) -> None:
    from .operators import preview

    if settings.use_trim:
        preview.soon()


class INT_MOCAP_PG_capture(bpy.types.PropertyGroup):
    """The settings of the next capture."""

    video: bpy.props.StringProperty(
        name="Video", description="The video to capture from", subtype="FILE_PATH", update=_video_changed
    )
    quality: bpy.props.EnumProperty(
        name="Quality",
        description="How much time to spend on a frame",
        items=(
            ("fast", "Fast", "About as fast as the video plays"),
            ("best", "Best", "The larger landmark network and a longer fit"),
        ),
        default="best",
    )
    person: bpy.props.EnumProperty(
        name="Person",
        description="Whose motion to capture",
        items=(
            ("auto", "Main person", "The one who is seen most completely and centrally"),
            ("all", "Everybody", "A rig for each person"),
            ("number", "By number", "Counted in the order in which they appear"),
        ),
        default="auto",
    )
    person_number: bpy.props.IntProperty(name="Number", description="Which person", default=1, min=1, max=99)
    smooth: bpy.props.FloatProperty(
        name="Smoothing",
        description="0 keeps every tremble, 1 takes the edge off fast moves",
        default=0.5,
        min=0,
        max=1,
    )
    use_trim: bpy.props.BoolProperty(
        name="Trim", description="Capture only a part of the video", default=False, update=_trim_changed
    )
    start: bpy.props.FloatProperty(
        name="Start", description="Seconds into the video", default=0, min=0, update=_trim_changed
    )
    end: bpy.props.FloatProperty(
        name="End", description="Seconds into the video", default=10, min=0, update=_trim_changed
    )
    model: bpy.props.EnumProperty(
        name="Model", description="The network that reads the motion; add yours in the preferences", items=_models
    )
    body: bpy.props.EnumProperty(
        name="Body", description="The body that is captured on; add yours in the preferences", items=_bodies
    )
    keyframe: bpy.props.IntProperty(
        name="Every so many frames",
        description="Your model looks at every so many frames and the rest is filled in: faster, a little softer",
        default=1,
        min=1,
        max=16,
    )
    device: bpy.props.EnumProperty(
        name="Device",
        description="What the networks run on",
        items=(
            ("auto", "Automatic", "The NVIDIA card if there is one, else the processor"),
            ("cpu", "Processor", "Works everywhere"),
            ("cuda", "NVIDIA card", "Needs the set-up for it"),
        ),
        default="auto",
    )
    lens: bpy.props.FloatProperty(
        name="Lens",
        description="Focal length as on 35 mm film, in millimetres, if you know it; 0 to find it",
        default=0,
        min=0,
        max=400,
    )
    height: bpy.props.FloatProperty(
        name="Height",
        description="Of the person in centimetres, if you know it; 0 to find it. It sets the scale of everything",
        default=0,
        min=0,
        max=260,
    )
    camera: bpy.props.EnumProperty(
        name="Camera",
        description="Where the camera stood and how it moved",
        items=(
            ("video", "Found in the video", "Pans, tilts and shaking are found from the background"),
            (
                "scene",
                "The scene's camera",
                "As it stands in the scene, or as Blender's motion tracking solved it; the take lands in its world",
            ),
        ),
        default="video",
    )
    where: bpy.props.EnumProperty(
        name="Take goes to",
        description="What becomes of the take",
        items=(
            (placing.RIG, "New rig", "A rig of its own"),
            (placing.ACTION, "Action of the active rig", "A new action of a rig that is there; the old one is kept"),
            (placing.STRIP, "Strip of the active rig", "A strip on a new NLA track of a rig that is there"),
        ),
        default=placing.RIG,
    )
    match_rate: bpy.props.BoolProperty(
        name="Scene takes the video's frame rate",
        description="Otherwise the scene keeps its frame rate and the take is fitted to it",
        default=False,
    )

    def message(self) -> dict[str, object]:
        """The options as fields of a `capture` message."""
        return {
            "video": bpy.path.abspath(self.video),
            "quality": self.quality,
            "person": str(self.person_number) if self.person == "number" else self.person,
            "smooth": self.smooth,
            "start": self.start if self.use_trim else None,
            "end": self.end if self.use_trim else None,
            "model": self.model or "auto",
            "body": self.body or "free",
            "device": self.device,
            "lens": self.lens or None,
            "height": self.height or None,
            "camera": None if self.camera == "video" else self.camera,
            "keyframe": self.keyframe if self.model not in ("", "auto") else 1,
        }

    def place(self, active: bpy.types.Object | None) -> placing.Place:
        """Where the take goes; `active` is the active object."""
        target = active.name if active is not None else ""
        return placing.Place(self.where, target, self.match_rate, self.smooth)


CLASSES = (INT_MOCAP_PG_capture,)


def register() -> None:
    """Hang the settings on the window manager."""
    bpy.types.WindowManager.int_mocap = bpy.props.PointerProperty(type=INT_MOCAP_PG_capture)


def unregister() -> None:
    """Take them off again."""
    del bpy.types.WindowManager.int_mocap
