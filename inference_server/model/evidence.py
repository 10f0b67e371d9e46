"""Evidence tokens: what a frame shows, as a sequence for the joint, shape and camera tokens to attend to."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

STANDARDIZE_EPS = 1e-5
HYBRID_LAYERS = [3, 4, 9]


class HybridPatches(nn.Module):
    """A ResNet-50 stem of stride 16, then a 1x1 projection: 14x14 patches of a 224x224 crop (the paper's evidence).

    The convolutions are plain. The authors' are weight-standardised at every call; `fold` does it once, exactly.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        # timm takes seconds to import: only who needs the image evidence pays
        from timm.layers import GroupNormAct
        from timm.layers.conv2d_same import Conv2dSame
        from timm.models.resnetv2 import ResNetV2

        self.backbone = ResNetV2(
            HYBRID_LAYERS,
            num_classes=0,
            global_pool="",
            preact=False,
            stem_type="same",
            conv_layer=partial(Conv2dSame, bias=False),
            norm_layer=partial(GroupNormAct, num_groups=32),
        )
        self.backbone.norm = nn.Identity()
        self.backbone.head = nn.Identity()  # type: ignore[assignment]
        self.proj = nn.Conv2d(self.backbone.num_features, width, kernel_size=1)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, 224, 224) normalised RGB to (B, 196, width)."""
        images = images.contiguous(memory_format=torch.channels_last)  # a tenth sooner on the CPU
        return self.proj(self.backbone.forward_features(images)).flatten(2).transpose(1, 2)

    @staticmethod
    def standardize(weight: Tensor) -> Tensor:
        """(O, I, k, k) filters, each brought to zero mean and unit population deviation, as the authors do it."""
        mean = weight.mean(dim=(1, 2, 3), keepdim=True)
        deviation = weight.std(dim=(1, 2, 3), keepdim=True, unbiased=False)
        return (weight - mean) / (deviation + STANDARDIZE_EPS)


class PlainPatches(nn.Module):
    """ViT's own patches, 16x16 pixels each, without a CNN (Table 3)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, kernel_size=16, stride=16)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, 224, 224) to (B, 196, width)."""
        return self.proj(images).flatten(2).transpose(1, 2)


class ImageEvidence(nn.Module):
    """Patches with a class token before them and a learned position for each."""

    def __init__(self, width: int, patches: nn.Module, count: int = 196) -> None:
        super().__init__()
        self.patches = patches
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, count + 1, width))

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, 224, 224) to (B, 197, width)."""
        tokens = self.patches(images)
        return torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], dim=1) + self.pos_embed


# One token a body part, of the landmarks (by their numbers) that tell of it.
LANDMARK_PARTS: tuple[tuple[int, ...], ...] = (
    tuple(range(11)),  # face
    (0, 7, 8, 11, 12, 23, 24),  # trunk
    (11, 13, 15),  # arms
    (12, 14, 16),
    (15, 17, 19, 21),  # hands
    (16, 18, 20, 22),
    (23, 25, 27),  # legs
    (24, 26, 28),
    (27, 29, 31),  # feet
    (28, 30, 32),
    (0, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28),  # the whole
)
LANDMARK_FEATURES = 7  # place in the picture (2) and in metres (3), visibility, presence


class LandmarkParts(nn.Module):
    """The 33 landmarks as one token a body part; a hidden landmark is a learned null."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.null = nn.Parameter(torch.zeros(33, LANDMARK_FEATURES))
        self.parts = nn.ModuleList(nn.Linear(LANDMARK_FEATURES * len(part), width) for part in LANDMARK_PARTS)

    def forward(self, landmarks: Tensor) -> Tensor:
        """(N, 33, 8), the features and then 1 where the landmark is hidden, to (N, 11, width)."""
        hidden = landmarks[..., LANDMARK_FEATURES:] > 0.5
        features = torch.where(hidden, self.null.to(landmarks.dtype), landmarks[..., :LANDMARK_FEATURES])
        tokens = [layer(features[:, part].flatten(1)) for part, layer in zip(LANDMARK_PARTS, self.parts, strict=True)]
        return torch.stack(tokens, dim=1)
