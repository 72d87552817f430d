"""Parametric families of furniture, vessels and guitars."""

import numpy as np

from spherical_cnn.shapes.generated.primitives import (
    CIRCLE,
    SQUARE,
    assemble,
    box,
    curve,
    ellipsoid,
    lathe,
    mirror,
    move,
    panel,
    repeat,
    rotate,
    superellipse,
    tube,
    uniform,
)


def make_bed(rng):
    """Builds frame, mattress, headboard, pillows; sometimes a footboard, posts or two bunks."""
    width, depth, height, thick = uniform(rng, (0.8, 2), (1.8, 2.2), (0.2, 0.5), (0.15, 0.35))
    head, foot, arch, edge = uniform(rng, (0.3, 0.9), (0.0, 0.4), (0, 0.35), (0.04, 0.1))
    levels = 2 if width < 1.3 and rng.random() < 0.3 else 1
    post = rng.uniform(1.0, 1.6) if levels == 2 or rng.random() < 0.25 else 0
    pillows = 1 if width < 1.3 else 2
    parts = []
    for level in range(levels):
        z = height + level * post
        parts.append(box([0, 0, z - 0.08], [depth, width, 0.16]))
        parts.append(ellipsoid([0, 0, z + thick / 2], [0.97 * depth, 0.96 * width, thick], 6))
        for i in range(pillows):
            y = (i - (pillows - 1) / 2) * width / 2
            size = [0.45, 0.8 * width / pillows, 0.2]
            parts.append(ellipsoid([0.32 - depth / 2, y, z + thick], size, 3))
    back = -depth / 2
    if not post or rng.random() < 0.5:
        parts.append(panel([back, 0, height + head / 2], [edge, width, head + 0.3], 0, arch))
    if foot > 0.1:
        parts.append(panel([-back, 0, height + foot / 2], [edge, width, foot + 0.3], 0, arch / 2))
    top = height + levels * post if post else height
    for x, y in SQUARE * [depth / 2, width / 2]:
        parts.append(box([x, y, top / 2], [edge, edge, top], superellipse(12, 4)))
    return assemble(parts)


def make_bottle(rng):
    """Builds a hollow body with shoulder, neck and lip, round or square; often a stopper."""
    body, shoulder, neck, throat = uniform(rng, (1, 3.5), (0.2, 1.8), (0.3, 1.6), (0.22, 0.5))
    waist, slope, flat = uniform(rng, (-0.15, 0.2), (0.6, 1.6), (0.55, 1))
    s, t = np.linspace(0, 1, 9), np.linspace(0, 1, 10)[1:]
    top, lip = body + shoulder + neck, 1.2 * throat
    hip = throat + (1 - throat) * (0.5 + 0.5 * np.cos(np.pi * t**slope))
    radius = [[0.9], 1 - waist * np.sin(np.pi * s), hip, [throat, lip, lip]]
    height = [[0], 0.06 + s * (body - 0.06), body + t * shoulder, [top - 0.22, top - 0.2, top]]
    outline = superellipse(24, max(2, rng.uniform(-4, 8))) * [flat, 1]
    parts = [lathe(np.transpose([np.concatenate(radius), np.concatenate(height)]), outline, 0.1)]
    if rng.random() < 0.5:
        wide, tall = uniform(rng, (1.8, 3), (0.2, 0.6))
        parts.append(box([0, 0, top], [wide * throat * flat, wide * throat, tall], CIRCLE))
    return assemble(parts)


def make_chair(rng):
    """Builds a seat, a back of one board or of slats, and a support; sometimes armrests."""
    width, depth, height, thick = uniform(rng, (0.4, 0.65), (0.38, 0.6), (0.3, 0.8), (0.03, 0.12))
    back, recline, bend, arch = uniform(rng, (0.25, 0.75), (0, 0.25), (-0.1, 0), (0, 0.15))
    seat = box([0, 0, height], [depth, width, thick], superellipse(24, rng.uniform(2.2, 8)))
    parts = [seat, *_support(rng, depth, width, height)]
    rear, slats = 0.02 - depth / 2, rng.integers(0, 7)
    if slats < 3:
        boards = [panel([rear, 0, back / 2], [0.04, 0.9 * width, back], bend, arch)]
    else:
        y = np.linspace(-0.42, 0.42, slats) * width
        x = rear + bend * (1 - (y / (0.475 * width)) ** 2)
        boards = [panel([rear, 0, back], [0.04, 0.95 * width, 0.12], bend, arch)]
        boards += [tube(curve(a, b, [0, back]), 0.018) for a, b in zip(x, y, strict=True)]
    parts += [move(board, curve(-recline * board.vertices[:, 2], 0, height)) for board in boards]
    if rng.random() < 0.4:
        high, reach, radius = uniform(rng, (0.15, 0.28), (0.4, 0.9), (0.015, 0.03))
        front = rear + reach * depth
        x, z = [front, front, front - 0.04, rear - 0.08], [0, high - 0.04, high, high]
        parts += mirror(tube(curve(x, width / 2, height + np.array(z)), radius))
    return assemble(parts)


def make_guitar(rng):
    """Builds body, neck, head with pegs, bridge; a sound hole, or horns and pickups."""
    half, wide, deep, neck = uniform(rng, (0.18, 0.28), (0.13, 0.24), (0.03, 0.18), (0.2, 0.5))
    waist, lower, head, horn = uniform(rng, (0.2, 0.45), (0.05, 0.2), (0.1, 0.17), (0, 0.14))
    tilt, nut = uniform(rng, (-0.06, 0), (0.02, 0.028))
    u = 2 * np.pi * (np.arange(48) + 0.5) / 48
    bout = wide * np.sin(u) * (1 - waist * np.sin(u) ** 6 + lower * np.cos(u))
    outline = np.transpose([bout, -half * np.cos(u)])
    front, top, electric = deep / 2, half + neck, deep < 0.07
    if electric:
        lift = horn * np.exp(-(((np.abs(u - np.pi) - 0.6) / 0.35) ** 2))
        outline[:, 1] += lift * np.where(u < np.pi, 1, rng.uniform(0.3, 1))
        parts = [box([front, 0, z * half], [0.025, 0.09, 0.035]) for z in (-0.15, 0.2, 0.5)]
    else:
        hole = curve(front, 0.055 * np.cos(u[::2]), 0.3 * half + 0.055 * np.sin(u[::2]))
        parts = [tube(hole, 0.008, 6, closed=True)]
    parts.append(box([0, 0, 0], [deep, 2, 2], outline, axis=0))
    parts.append(box([front, 0, -0.5 * half], [0.035, 0.12, 0.03]))
    parts.append(box([front, 0, top - neck / 2 - 0.08], [0.035, 2.5 * nut, neck + 0.16]))
    middle = [front, 0, top + head / 2]
    parts.append(box(middle, [0.03, 3 * nut, head], taper=[0.7, 1.3], lean=tilt))
    for z in np.linspace(0.2, 0.85, rng.integers(2, 4)):
        peg = [front + tilt * z, 1.5 * nut + 0.02, top + z * head]
        parts += mirror(ellipsoid(peg, [0.018, 0.05, 0.025], sides=8))
    return assemble(parts)


def make_lamp(rng):
    """Builds a straight, vase, arc or jointed stem on a disc or tripod; a shade over a bulb."""
    height, foot, shade, tall = uniform(rng, (0.5, 1.7), (0.1, 0.2), (0.14, 0.28), (0.15, 0.4))
    parts, stem, tilt, kind = [], curve(0, 0, [0, height]), 0.0, rng.integers(4)
    if kind == 1:
        s, (belly, middle) = np.linspace(0, 1, 10), uniform(rng, (0.05, 0.17), (0.5, 1.5))
        radius = 0.05 + belly * np.sin(np.pi * s**middle) ** 2
        parts.append(lathe(np.transpose([radius, 0.8 * height * s])))
    elif kind == 2:
        reach, end = uniform(rng, (0.15, 0.45), (0.8, 1))
        t = np.linspace(0, end * np.pi, 14)
        bow = curve(reach * (1 - np.cos(t)), 0, height + 0.7 * reach * np.sin(t))
        stem = np.concatenate([stem[:1], bow])
    elif kind == 3:
        elbow, hand, tilt = uniform(rng, (-0.4, -0.1), (0.1, 0.5), (-0.9, -0.2))
        stem = curve([0, elbow, hand], 0, [0, 0.6 * height, height])
        parts.append(ellipsoid(stem[1], [0.07, 0.07, 0.07]))
    parts.append(tube(stem, rng.uniform(0.012, 0.03)))
    if rng.random() < 0.3:
        parts += repeat(tube([[0, 0, 0.35 * height], [1.6 * foot, 0, 0]], 0.015), 3)
    else:
        parts.append(box([0, 0, 0.02], [2 * foot, 2 * foot, rng.uniform(0.03, 0.07)], CIRCLE, 0.8))
    t, (ratio, flare) = np.linspace(0, 1, 8), uniform(rng, (0.3, 1), (0.7, 2.5))
    cone = np.transpose([shade * (1 - (1 - ratio) * t**flare), (t - 0.6) * tall])
    cover = lathe(cone, wall=0.012, through=True)
    bulb = ellipsoid([0, 0, -0.05], [0.1, 0.1, 0.14])
    return assemble(parts + [move(rotate(part, tilt, 1), stem[-1]) for part in (cover, bulb)])


def make_mug(rng):
    """Builds a tapered or bellied wall and a handle; sometimes a saucer."""
    height, taper, belly, wall = uniform(rng, (1.2, 3.4), (-0.2, 0.35), (-0.12, 0.3), (0.07, 0.15))
    reach, span, middle, power = uniform(rng, (0.5, 1), (0.25, 0.42), (0.45, 0.58), (1.6, 4))
    s = np.linspace(0, 1, 12)
    radius = 1 - taper * (1 - s) + belly * np.sin(np.pi * s)
    outline = superellipse(24, rng.choice([2, 2, 2, 4]))
    parts = [lathe(np.transpose([radius, height * s]), outline, wall)]
    t = np.linspace(-0.5, 0.5, 19) * np.pi
    z = middle + span * np.sign(t) * np.abs(np.sin(t)) ** (2 / power)
    x = np.interp(z, s, radius) - wall / 2 + reach * np.cos(t) ** (2 / power)
    parts.append(tube(curve(x, 0, height * z), rng.uniform(0.08, 0.16)))
    if rng.random() < 0.3:
        plate = [[0.7, -0.12], [1.2, -0.05], [1.7, 0.12], [rng.uniform(1.8, 2.2), 0.2]]
        parts.append(lathe(plate, wall=0.1))
    return assemble(parts)


def make_table(rng):
    """Builds a top and a support; sometimes an apron or a lower shelf."""
    width, depth, height, thick = uniform(rng, (0.6, 1.9), (0.5, 1), (0.35, 1.1), (0.02, 0.09))
    outline = superellipse(40, rng.uniform(2, 10))
    parts = [box([0, 0, height], [depth, width, thick], outline)]
    parts += _support(rng, 0.92 * depth, 0.92 * width, height)
    if rng.random() < 0.4:
        parts.append(box([0, 0, height - 0.06], [0.75 * depth, 0.75 * width, 0.12], outline))
    if rng.random() < 0.25:
        parts.append(box([0, 0, 0.3 * height], [0.8 * depth, 0.8 * width, 0.03], outline))
    return assemble(parts)


def _support(rng, depth, width, height):
    """Builds splayed legs, a column on feet or on a disc, or a runner on either side."""
    kind, thick = rng.choice(4, p=[0.55, 0.15, 0.15, 0.15]), rng.uniform(0.015, 0.04)
    if kind == 0:
        corners = superellipse(rng.choice([3, 4, 4, 4, 6]), 6) * [0.42 * depth, 0.42 * width]
        splay, taper = uniform(rng, (0.9, 1.2), (0.5, 1))
        ends = [[[*corner, height], [*(splay * corner), 0]] for corner in corners]
        return [tube(end, [thick, taper * thick]) for end in ends]
    if kind == 3:
        x, y, r, top = 0.45 * depth, 0.42 * width, 0.03, height - thick
        loop = curve([x - r, x, x, x - r], y, [0, r, top - r, top])
        return mirror(tube([*loop, *(loop[::-1] * [-1, 1, 1])], thick, closed=True))
    column = tube(curve(0, 0, [0.05, height]), 1.3 * thick)
    if kind == 1:
        foot = tube(curve([0, 0.45 * min(depth, width)], 0, [0.12, 0.02]), [thick, 0.02])
        return [column, *repeat(foot, rng.integers(3, 6))]
    size = [*(rng.uniform(0.55, 0.8) * np.array([depth, width])), 0.04]
    return [column, box([0, 0, 0.05], size, CIRCLE, 0.9)]
