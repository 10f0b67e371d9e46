"""What the panel asks for. Kept with the window, not in the file: no paths travel in a .blend."""

from __future__ import annotations

import bpy


class INT_MOCAP_PG_capture(bpy.types.PropertyGroup):
    """The settings of the next capture."""

    video: bpy.props.StringProperty(name="Video", description="The video to capture from", subtype="FILE_PATH")
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
    use_trim: bpy.props.BoolProperty(name="Trim", description="Capture only a part of the video", default=False)
    start: bpy.props.FloatProperty(
        name="Start", description="Seconds into the video", default=0, min=0, unit="TIME_ABSOLUTE"
    )
    end: bpy.props.FloatProperty(
        name="End", description="Seconds into the video", default=10, min=0, unit="TIME_ABSOLUTE"
    )
    body: bpy.props.StringProperty(
        name="SMPL file",
        description="Your own SMPL model (.npz or .pkl); empty for the free body",
        subtype="FILE_PATH",
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
            "body": bpy.path.abspath(self.body) if self.body else "free",
        }


CLASSES = (INT_MOCAP_PG_capture,)


def register() -> None:
    """Hang the settings on the window manager."""
    bpy.types.WindowManager.int_mocap = bpy.props.PointerProperty(type=INT_MOCAP_PG_capture)


def unregister() -> None:
    """Take them off again."""
    del bpy.types.WindowManager.int_mocap
