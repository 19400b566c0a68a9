"""Convolutions and linear layers in FP8: the forward pass in e4m3, the backward pass with errors in e5m2.

A convolution is a matrix product of all patches of its input (im2col) with its weights. Patches are gathered from what
is already in FP8 and lies channels last, so that a byte is moved for each number and 16 of them lie side by side:
channels are padded with zeros to a multiple of 16. For the backward pass the input is kept as one byte a number, and
its patches are gathered again. A linear layer is a convolution of a map of one point.

The error of a layer is rounded to e5m2 once, for both of its products: the input's gradient, a convolution of the error
with the turned weights, and the weights' gradient. Behind a stride that convolution would be mostly with zeros, so
there each error is spread over the inputs of its patch instead, in float32.
"""

from typing import Any, Callable, NamedTuple, Optional, Tuple

import torch
from torch.autograd.function import once_differentiable

from .fp8_matmul import E4M3, E5M2, MULTIPLE, Scaled, multiply, to_fp8

Pair = Tuple[int, int]
Gradients = Tuple[Optional[torch.Tensor], ...]
_once_differentiable: Callable[[Callable[..., Gradients]], Callable[..., Gradients]] = once_differentiable


class Geometry(NamedTuple):
    """Of a convolution, each by height and width; padding: (before, after) of each."""

    stride: Pair = (1, 1)
    padding: Tuple[Pair, Pair] = ((0, 0), (0, 0))
    dilation: Pair = (1, 1)


def fp8_conv2d(
    images: torch.Tensor,
    weight: torch.Tensor,
    bias: Optional[torch.Tensor],
    geometry: Geometry,
    out_dtype: torch.dtype = torch.bfloat16,
) -> torch.Tensor:
    """(N, C, H, W) -> (N, O, H', W') of `out_dtype` (bf16 or float32), which lies channels last."""
    convolution: Any = _Convolution.apply
    maps: torch.Tensor = convolution(images, weight, geometry, out_dtype)
    return maps if bias is None else maps + bias.to(out_dtype)[:, None, None]


def fp8_linear(
    inputs: torch.Tensor,
    weight: torch.Tensor,
    bias: Optional[torch.Tensor],
    out_dtype: torch.dtype = torch.bfloat16,
) -> torch.Tensor:
    """(..., C) -> (..., O) of `out_dtype`."""
    points = inputs.reshape(-1, inputs.shape[-1])[:, :, None, None]
    outputs = fp8_conv2d(points, weight[:, :, None, None], bias, Geometry(), out_dtype)
    return outputs.reshape(*inputs.shape[:-1], weight.shape[0])


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, images: torch.Tensor, weight: torch.Tensor, geometry: Geometry, out_dtype: torch.dtype
    ) -> torch.Tensor:
        outputs, inputs, *kernel = weight.shape
        channels = (0, -inputs % MULTIPLE)
        x = to_fp8(images.permute(0, 2, 3, 1), E4M3, ((0, 0), *geometry.padding, channels))
        w = to_fp8(weight.permute(0, 2, 3, 1), E4M3, ((0, -outputs % MULTIPLE), (0, 0), (0, 0), channels))
        size = [
            (x.codes.shape[1 + i] - geometry.dilation[i] * (kernel[i] - 1) - 1) // geometry.stride[i] + 1
            for i in range(2)
        ]
        ctx.save_for_backward(*x[:2], *w[:2])
        ctx.geometry, ctx.images, ctx.weight = geometry, images.shape, weight.shape
        ctx.types = (images.dtype, weight.dtype)
        rows = _patches(x.codes, (kernel[0], kernel[1]), geometry.stride, geometry.dilation, (size[0], size[1]))
        product = multiply(Scaled(rows, x.scale, E4M3), Scaled(w.codes.flatten(1), w.scale, E4M3), out_dtype)
        return _as_maps(product.view(len(images), *size, -1), outputs)

    @staticmethod
    @_once_differentiable
    def backward(ctx: Any, error: torch.Tensor) -> Gradients:
        x_codes, x_scale, w_codes, w_scale = ctx.saved_tensors
        geometry: Geometry = ctx.geometry
        kernel = w_codes.shape[1:3]
        x, w = Scaled(x_codes, x_scale, E4M3), Scaled(w_codes, w_scale, E4M3)
        gathers = ctx.needs_input_grad[0] and geometry.stride == (1, 1)
        reach = [geometry.dilation[i] * (kernel[i] - 1) if gathers else 0 for i in range(2)]
        margins = ((0, 0), (reach[0],) * 2, (reach[1],) * 2, (0, -error.shape[1] % MULTIPLE))
        wide = to_fp8(error.permute(0, 2, 3, 1), E5M2, margins)
        images_grad = weight_grad = None
        if gathers:
            out_dtype = torch.bfloat16 if ctx.types[0] is torch.bfloat16 else torch.float32
            images_grad = _gathered_input_grad(wide, w, geometry, ctx.images, out_dtype).to(ctx.types[0])
        height, width = error.shape[2:]
        narrow = wide.codes[:, reach[0] : reach[0] + height, reach[1] : reach[1] + width]
        rows = narrow.reshape(-1, narrow.shape[3])
        if ctx.needs_input_grad[0] and not gathers:
            columns = multiply(Scaled(rows, wide.scale, E5M2), _transposed(w.codes.flatten(1), w), torch.float32)
            columns = columns.view(*narrow.shape[:3], *kernel, -1)
            images_grad = _spread_input_grad(columns, x.codes.shape, geometry, ctx.images).to(ctx.types[0])
        if ctx.needs_input_grad[1]:
            patches = _patches(x.codes, kernel, geometry.stride, geometry.dilation, (height, width))
            product = multiply(_transposed(rows, wide), _transposed(patches, x), torch.float32)
            outputs, inputs = ctx.weight[:2]
            weight_grad = product.view(w.codes.shape)[:outputs, :, :, :inputs].permute(0, 3, 1, 2).to(ctx.types[1])
        return images_grad, weight_grad, None, None


def _patches(codes: torch.Tensor, kernel: Pair, stride: Pair, dilation: Pair, size: Pair) -> torch.Tensor:
    """(N, H, W, C) bytes -> (N x H' x W', kernel x C), the patch that each of the `size` = (H', W') outputs reads.

    C is a multiple of 16, so eight bytes are moved at once.
    """
    words = codes.view(torch.int64)
    image, row, column, word = words.stride()
    strides = (image, row * stride[0], column * stride[1], row * dilation[0], column * dilation[1], word)
    shape = (words.shape[0], *size, *kernel, words.shape[3])
    patches = words.as_strided(shape, strides, words.storage_offset())
    return patches.reshape(-1, kernel[0] * kernel[1] * words.shape[3]).view(torch.uint8)


def _transposed(codes: torch.Tensor, of: Scaled) -> Scaled:
    return Scaled(codes.t().contiguous(), of.scale, of.form)


def _gathered_input_grad(
    error: Scaled, weight: Scaled, geometry: Geometry, shape: torch.Size, out_dtype: torch.dtype
) -> torch.Tensor:
    """The input's gradient at stride 1. error: (N, ...), with as many zeros around each map as a kernel reaches."""
    outputs, height, width, channels = weight.codes.shape
    (top, _), (left, _) = geometry.padding
    rows = _patches(error.codes[:, top:, left:], (height, width), (1, 1), geometry.dilation, (shape[2], shape[3]))
    turned = weight.codes.flip(1, 2).permute(3, 1, 2, 0).reshape(channels, height * width * outputs)
    gradient = multiply(Scaled(rows, error.scale, error.form), Scaled(turned, weight.scale, weight.form), out_dtype)
    return _as_maps(gradient.view(shape[0], shape[2], shape[3], channels), shape[1])


def _spread_input_grad(
    columns: torch.Tensor, padded: torch.Size, geometry: Geometry, shape: torch.Size
) -> torch.Tensor:
    """The input's gradient from that of each patch, (N, H', W', kernel, C). padded: the input's shape in FP8."""
    gradient = columns.new_zeros(padded)
    (down, right), size = geometry.stride, columns.shape[1:3]
    for i in range(columns.shape[3]):
        for j in range(columns.shape[4]):
            top, left = i * geometry.dilation[0], j * geometry.dilation[1]
            rows = slice(top, top + down * (size[0] - 1) + 1, down)
            gradient[:, rows, left : left + right * (size[1] - 1) + 1 : right] += columns[:, :, :, i, j]
    (top, _), (left, _) = geometry.padding
    return _as_maps(gradient[:, top : top + shape[2], left : left + shape[3]], shape[1])


def _as_maps(rows: torch.Tensor, channels: int) -> torch.Tensor:
    """(N, H, W, padded channels) -> (N, channels, H, W), channels last."""
    return rows[..., :channels].permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
