"""Transformer blocks as ViT and the paper use them: pre-norm, exact GELU, no dropout.

The spatial-temporal attention forms (`series`, `parallel`, `coupling`, `temporal`) are those of MAED (Wan et al.
2021), which the paper compares with in Table 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NORM_EPS = 1e-6
ATTENTION_FORMS = ("vanilla", "parallel", "series", "coupling", "temporal")


class Attention(nn.Module):
    """Multi-head self-attention.

    Args:
        width: Channels of a token.
        heads: Number of heads; each has `width / heads` channels.
        form: `vanilla` attends over the tokens of a frame; the others also over the frames of a clip.
    """

    def __init__(self, width: int, heads: int, form: str = "vanilla") -> None:
        super().__init__()
        if form not in ATTENTION_FORMS:
            raise ValueError(f"unknown attention form {form!r}")
        self.heads = heads
        self.form = form
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        if form == "parallel":
            self.ts_attn = nn.Linear(2 * width, 2 * width)

    def forward(self, x: Tensor, frames: int = 1, queries: int | None = None) -> Tensor:
        """Attend.

        Args:
            x: (B * frames, N, width) tokens.
            frames: Frames of a clip; only the spatial-temporal forms use it.
            queries: Only the first so many tokens are wanted (vanilla only): the rest are keys and values.

        Returns:
            (B * frames, N or `queries`, width)
        """
        if self.form == "vanilla":
            return self.proj(self._spatial(x, queries))
        if self.form == "series":
            return self.proj(self._temporal(self._spatial(x), frames))
        if self.form == "parallel":
            return self.proj(self._gated(self._spatial(x), self._temporal(x, frames)))
        if self.form == "coupling":
            return self.proj(self._coupled(x, frames))
        return self.proj(self._temporal_mean(x, frames))

    def weights(self, x: Tensor) -> Tensor:
        """The attention map (B, heads, N, N) of tokens (B, N, width), for looking at."""
        query, key, _ = self._split(x)
        return (query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5).softmax(dim=-1)

    def _split(self, x: Tensor, queries: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values (B, heads, N, channels)."""
        batch, count, width = x.shape
        shape = (batch, -1, self.heads, width // self.heads)
        if queries is None or queries >= count:
            query, key, value = self.qkv(x).chunk(3, dim=-1)
        else:
            weight, bias = self.qkv.weight, self.qkv.bias
            query = F.linear(x[:, :queries], weight[:width], bias[:width])
            key, value = F.linear(x, weight[width:], bias[width:]).chunk(2, dim=-1)
        return tuple(part.reshape(shape).transpose(1, 2) for part in (query, key, value))

    def _spatial(self, x: Tensor, queries: int | None = None) -> Tensor:
        query, key, value = self._split(x, queries)
        return _join(_attend(query, key, value))

    def _temporal(self, x: Tensor, frames: int) -> Tensor:
        """Each token attends to the same token of the clip's other frames."""
        batch, count, width = x.shape
        by_token = x.reshape(-1, frames, count, width).transpose(1, 2).reshape(-1, frames, width)
        out = self._spatial(by_token)
        return out.reshape(-1, count, frames, width).transpose(1, 2).reshape(batch, count, width)

    def _gated(self, spatial: Tensor, temporal: Tensor) -> Tensor:
        pooled = torch.cat([spatial, temporal], dim=-1).mean(dim=1, keepdim=True)
        gate = self.ts_attn(pooled).reshape(len(pooled), 1, -1, 2).softmax(dim=-1)
        return spatial * gate[..., 0] + temporal * gate[..., 1]

    def _coupled(self, x: Tensor, frames: int) -> Tensor:
        batch, count, width = x.shape
        return self._spatial(x.reshape(-1, frames * count, width)).reshape(batch, count, width)

    def _temporal_mean(self, x: Tensor, frames: int) -> Tensor:
        """One vector per frame, the mean of its tokens, attends over the clip's frames and is given to all of them."""
        batch, count, width = x.shape
        query, key, value = (part.mean(dim=2) for part in self._split(x))  # (B * frames, heads, channels)

        def by_clip(part: Tensor) -> Tensor:
            return part.reshape(-1, frames, self.heads, width // self.heads).transpose(1, 2)

        out = _join(F.scaled_dot_product_attention(by_clip(query), by_clip(key), by_clip(value)))
        return out.reshape(batch, 1, width).expand(batch, count, width)


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    if torch.is_grad_enabled() and not query.is_cuda:
        # the fused form's backward pass is several times slower on the CPU
        return (query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5).softmax(dim=-1) @ value
    return F.scaled_dot_product_attention(query, key, value)


def _join(heads: Tensor) -> Tensor:
    """(B, heads, N, channels) to (B, N, heads * channels)."""
    return heads.transpose(1, 2).flatten(2)


class Mlp(nn.Module):
    """Two linear layers with an exact (erf) GELU between them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to (..., width)."""
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, width: int, heads: int, hidden: int, form: str = "vanilla") -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=NORM_EPS)
        self.attn = Attention(width, heads, form)
        self.norm2 = nn.LayerNorm(width, eps=NORM_EPS)
        self.mlp = Mlp(width, hidden)

    def forward(self, x: Tensor, frames: int = 1, queries: int | None = None) -> Tensor:
        """Tokens (B, N, width) to tokens, only the first `queries` of them if given."""
        kept = x if queries is None else x[:, :queries]
        kept = kept + self.attn(self.norm1(x), frames, queries)
        return kept + self.mlp(self.norm2(kept))
