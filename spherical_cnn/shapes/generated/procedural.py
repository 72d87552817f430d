"""Ten parametric families of everyday shapes: the embedded data set, nothing to download.

A shape is a triangle mesh of overlapping closed parts, upright (z up, front along +x). Families
vary in proportions, curvatures and construction, so that they overlap in size ratios: a bar stool
is as slender as a lamp, a bed with posts is a table upside down.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spherical_cnn.choices import SPLITS
from spherical_cnn.shapes.generated.primitives import (
    CIRCLE,
    SQUARE,
    both,
    box,
    curve,
    ellipsoid,
    lathe,
    move,
    panel,
    spin,
    stand,
    superellipse,
    sweep,
    tube,
    turn,
)
from spherical_cnn.shapes.signal import Mesh


def make_mesh(family, rng) -> Mesh:
    """Random shape of a family.

    Args:
        family: one of `FAMILIES`.
        rng: `np.random.Generator`.

    Returns:
        `Mesh`, standing on z = 0, in units of the family's own, faces counter-clockwise from
        outside.

    Raises:
        ValueError: if there is no such family.
    """
    if family not in FAMILIES:
        raise ValueError(f"family must be one of {', '.join(FAMILIES)}. Received: {family!r}")
    return FAMILIES[family](rng)


def name_of(index):
    """`(name, family)` of shape number `index`, such as `chair_00014`; families take turns."""
    family = list(FAMILIES)[index % len(FAMILIES)]
    return f"{family}_{index:05d}", family


def draw(split, index, seed) -> Mesh:
    """Shape number `index` of a split: the same in any order and in any process.

    Each `(seed, split, index)` has a random stream of its own and parameters are drawn from a
    continuum, so no shape of one split recurs in another.

    Args:
        split: "train", "val" or "test".
        index: 0 or more.
        seed: of the whole data set, 0 or more.

    Returns:
        `Mesh`, as from `make_mesh`.

    Raises:
        ValueError: if there is no such split, or the index or the seed is negative.
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}. Received: {split!r}")
    stream = np.random.SeedSequence(seed, spawn_key=(SPLITS.index(split), index))
    return make_mesh(name_of(index)[1], np.random.default_rng(stream))


def _between(rng, *ranges):
    """One number from each `(low, high)`."""
    return rng.uniform(*np.transpose(ranges))


def _aeroplane(rng):
    """Fuselage, swept wings, tailplane, fin; engines or propeller; sometimes a second wing."""
    girth, chord, taper, nose = _between(rng, (0.05, 0.1), (0.12, 0.28), (0.3, 1), (0.08, 0.2))
    tail, fin, tail_height = _between(rng, (0.12, 0.22), (0.1, 0.22), (0, 1))
    x = np.linspace(-0.49, 0.5, 16)
    blunt = np.sqrt(1 - np.clip((x - 0.5 + nose) / nose, 0, 0.98) ** 2)
    radius = girth * np.minimum(1, (x + 0.5) / 0.45) ** 0.7 * blunt
    line = curve(x, 0, 0.6 * (girth - radius) * (x < 0))
    parts = [sweep(CIRCLE, line, radius[:, None] * [1, rng.uniform(0.9, 1.2)], axis=0)]
    root = np.array([rng.uniform(-0.02, 0.15), 0, rng.uniform(-0.8, 0.8) * girth])
    reach = rng.uniform(0.3, 0.65) * np.array([-rng.uniform(0, 0.35), 1, rng.uniform(0, 0.1)])
    parts += _wing(root, reach, chord, taper)
    if rng.random() < 0.15:
        lift = [0, 0, 3 * girth]
        parts += _wing(root + lift, reach, chord, taper)
        struts = [root + y * reach for y in (0.06, 0.4, 0.7)]
        parts += both(*(tube([foot, foot + lift], 0.012) for foot in struts))
    low = np.array([-0.42, 0, 0.5 * girth])
    high = low + [-0.5 * fin, 0, fin + girth]
    parts.append(sweep(superellipse(16), [low, high], [[0.09, 0.012], [0.05, 0.008]]))
    parts += _wing(low + tail_height * (high - low), [-0.04, tail, 0], 0.13, 0.6)
    size, kind = np.array([0.16, 0.5 * girth + 0.03, 0.5 * girth + 0.03]), rng.integers(4)
    if kind == 0:
        blade = box([0, 0, 0.06], [0.02, 0.03, rng.uniform(0.12, 0.17)])
        parts += [move(part, [0.5, 0, 0]) for part in spin(blade, rng.integers(2, 5), axis=0)]
    elif kind == 3:
        parts += both(box([-0.28, 0.9 * girth + 0.01, 0.3 * girth], size, CIRCLE, 0.7, axis=0))
    else:
        places = [root + y * reach + [0.06, 0, -0.4 * size[2]] for y in (0.4, 0.7)[:kind]]
        parts += both(*(box(place, size, CIRCLE, axis=0) for place in places))
    return stand(parts)


def _wing(root, reach, chord, taper):
    scales = np.outer([1, taper], [chord / 2, 0.07 * chord])
    return both(sweep(superellipse(16), [root, root + np.asarray(reach)], scales, axis=1))


def _bed(rng):
    """Frame, mattress, headboard, pillows; footboard, posts, a second bunk."""
    width, depth, height, thick = _between(rng, (0.8, 2), (1.8, 2.2), (0.2, 0.5), (0.15, 0.35))
    head, foot, arch, edge = _between(rng, (0.3, 0.9), (0.0, 0.4), (0, 0.35), (0.04, 0.1))
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
    return stand(parts)


def _bottle(rng):
    """Hollow: body, shoulder, neck, lip; round or square, waisted, often with a stopper."""
    body, shoulder, neck, throat = _between(rng, (1, 3.5), (0.2, 1.8), (0.3, 1.6), (0.22, 0.5))
    waist, slope, flat = _between(rng, (-0.15, 0.2), (0.6, 1.6), (0.55, 1))
    s, t = np.linspace(0, 1, 9), np.linspace(0, 1, 10)[1:]
    top, lip = body + shoulder + neck, 1.2 * throat
    hip = throat + (1 - throat) * (0.5 + 0.5 * np.cos(np.pi * t**slope))
    radius = [[0.9], 1 - waist * np.sin(np.pi * s), hip, [throat, lip, lip]]
    height = [[0], 0.06 + s * (body - 0.06), body + t * shoulder, [top - 0.22, top - 0.2, top]]
    outline = superellipse(24, max(2, rng.uniform(-4, 8))) * [flat, 1]
    parts = [lathe(np.transpose([np.concatenate(radius), np.concatenate(height)]), outline, 0.1)]
    if rng.random() < 0.5:
        wide, tall = _between(rng, (1.8, 3), (0.2, 0.6))
        parts.append(box([0, 0, top], [wide * throat * flat, wide * throat, tall], CIRCLE))
    return stand(parts)


def _car(rng):
    """Body, cabin between bonnet and boot, four wheels, mirrors; roof box, spoiler or load bed."""
    length, width, belt, roof = _between(rng, (3.4, 5.2), (1.6, 2.1), (0.5, 0.8), (0.4, 0.9))
    bonnet, boot, front, rear = _between(rng, (0.04, 0.36), (0.02, 0.3), (0.05, 0.6), (0.02, 0.7))
    clear, extra, tuck = _between(rng, (0.15, 0.4), (0, 1), (0.75, 1))
    boot = 0.4 if extra < 0.2 else boot
    s = np.linspace(-1, 1, 12)
    end = (1 - np.abs(s) ** rng.uniform(4, 10) * rng.uniform(0.2, 0.6))[:, None]
    line = curve(s * length / 2, 0, clear + belt / 2)
    parts = [sweep(superellipse(20, 5), line, end * [width / 2, belt / 2], axis=0)]
    top, back = clear + belt, -0.48 * length
    tail, nose = (boot - 0.5) * length, (0.5 - bonnet) * length
    ends = np.array([[tail, nose], [tail + rear, nose - front]])
    half = np.transpose([np.diff(ends)[:, 0] / 2, [0.47 * width, 0.47 * tuck * width]])
    parts.append(sweep(superellipse(20, 8), curve(ends.mean(1), 0, [top - 0.1, top + roof]), half))
    wheel, base = _between(rng, (0.28, 0.42), (0.27, 0.34))
    for x in (-base * length, base * length):
        hub = curve(x, width / 2 + np.array([-0.18, 0.02, 0.06, 0.06, 0.02]), wheel)
        rings = wheel * np.array([[1], [1], [0.9], [0.65], [0.6]])
        parts += both(sweep(CIRCLE, hub, rings, axis=1))
    parts += both(ellipsoid([nose - 0.15, width / 2 + 0.06, top + 0.05], [0.15, 0.25, 0.18]))
    if extra < 0.2:
        side = [(tail + back) / 2, 0.45 * width, top + 0.05]
        parts += both(box(side, [tail - back, 0.08, 0.35]))
        parts.append(box([back, 0, top + 0.05], [0.08, 0.9 * width, 0.35]))
    elif extra < 0.4:
        rack = [ends[1].mean(), 0, top + roof + 0.12]
        parts.append(box(rack, [1.4, 0.8, 0.25], superellipse(16, 4)))
    elif extra < 0.6:
        parts.append(box([back, 0, top + 0.2], [0.3, 0.9 * width, 0.05]))
        parts += both(box([back, 0.35 * width, top + 0.05], [0.1, 0.06, 0.3]))
    return stand(parts)


def _chair(rng):
    """Seat, back of one board or of slats, support of legs or foot; armrests."""
    width, depth, height, thick = _between(rng, (0.4, 0.65), (0.38, 0.6), (0.3, 0.8), (0.03, 0.12))
    back, recline, bend, arch = _between(rng, (0.25, 0.75), (0, 0.25), (-0.1, 0), (0, 0.15))
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
        high, reach, radius = _between(rng, (0.15, 0.28), (0.4, 0.9), (0.015, 0.03))
        front = rear + reach * depth
        x, z = [front, front, front - 0.04, rear - 0.08], [0, high - 0.04, high, high]
        parts += both(tube(curve(x, width / 2, height + np.array(z)), radius))
    return stand(parts)


def _guitar(rng):
    """Waisted flat body, neck, head with pegs, bridge; sound hole, or horns and pickups."""
    half, wide, deep, neck = _between(rng, (0.18, 0.28), (0.13, 0.24), (0.03, 0.18), (0.2, 0.5))
    waist, lower, head, horn = _between(rng, (0.2, 0.45), (0.05, 0.2), (0.1, 0.17), (0, 0.14))
    tilt, nut = _between(rng, (-0.06, 0), (0.02, 0.028))
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
        parts += both(ellipsoid(peg, [0.018, 0.05, 0.025], sides=8))
    return stand(parts)


def _lamp(rng):
    """Stem that is straight, a vase, an arc or jointed, on disc or tripod; open shade over bulb."""
    height, foot, shade, tall = _between(rng, (0.5, 1.7), (0.1, 0.2), (0.14, 0.28), (0.15, 0.4))
    parts, stem, tilt, kind = [], curve(0, 0, [0, height]), 0.0, rng.integers(4)
    if kind == 1:
        s, (belly, middle) = np.linspace(0, 1, 10), _between(rng, (0.05, 0.17), (0.5, 1.5))
        radius = 0.05 + belly * np.sin(np.pi * s**middle) ** 2
        parts.append(lathe(np.transpose([radius, 0.8 * height * s])))
    elif kind == 2:
        reach, end = _between(rng, (0.15, 0.45), (0.8, 1))
        t = np.linspace(0, end * np.pi, 14)
        bow = curve(reach * (1 - np.cos(t)), 0, height + 0.7 * reach * np.sin(t))
        stem = np.concatenate([stem[:1], bow])
    elif kind == 3:
        elbow, hand, tilt = _between(rng, (-0.4, -0.1), (0.1, 0.5), (-0.9, -0.2))
        stem = curve([0, elbow, hand], 0, [0, 0.6 * height, height])
        parts.append(ellipsoid(stem[1], [0.07, 0.07, 0.07]))
    parts.append(tube(stem, rng.uniform(0.012, 0.03)))
    if rng.random() < 0.3:
        parts += spin(tube([[0, 0, 0.35 * height], [1.6 * foot, 0, 0]], 0.015), 3)
    else:
        parts.append(box([0, 0, 0.02], [2 * foot, 2 * foot, rng.uniform(0.03, 0.07)], CIRCLE, 0.8))
    t, (ratio, flare) = np.linspace(0, 1, 8), _between(rng, (0.3, 1), (0.7, 2.5))
    cone = np.transpose([shade * (1 - (1 - ratio) * t**flare), (t - 0.6) * tall])
    cover = lathe(cone, wall=0.012, through=True)
    bulb = ellipsoid([0, 0, -0.05], [0.1, 0.1, 0.14])
    return stand(parts + [move(turn(part, tilt, 1), stem[-1]) for part in (cover, bulb)])


def _mug(rng):
    """Hollow: wall tapered or bellied, handle between C and D; sometimes a saucer."""
    height, taper, belly, wall = _between(rng, (1.2, 3.4), (-0.2, 0.35), (-0.12, 0.3), (0.07, 0.15))
    reach, span, middle, power = _between(rng, (0.5, 1), (0.25, 0.42), (0.45, 0.58), (1.6, 4))
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
    return stand(parts)


def _ship(rng):
    """Hull under containers and bridge, under decks and funnels, or under masts and sails."""
    beam, depth, sheer, rake = _between(rng, (0.08, 0.16), (0.08, 0.18), (0, 0.06), (0, 0.1))
    stern, bow, bilge = _between(rng, (0.3, 0.9), (1.5, 3), (1.6, 5))
    s = np.linspace(0, 1, 18)
    breadth = stern + (1 - stern) * np.sin(np.clip(s / 0.4, 0, 1) * np.pi / 2)
    breadth *= 1 - np.clip((s - 0.55) / 0.45, 0, 0.985) ** bow
    half = superellipse(24, bilge)
    half[:, 1] = np.minimum(half[:, 1], 0)
    deck = depth + sheer * (2 * s - 1) ** 2
    line = curve(s - 0.5, 0, deck)
    hull, faces, _ = sweep(half, line, np.transpose([beam * breadth, deck]), axis=0)
    hull[:, 0] += rake * np.clip(4 * hull[:, 0] - 1, 0, 1) * hull[:, 2] / depth
    rig = (_freighter, _liner, _sailer)[rng.integers(3)]
    return stand([Mesh(hull, faces), *rig(rng, beam, depth)])


def _freighter(rng, beam, deck):
    tall, at, rows = rng.uniform(0.1, 0.2), rng.uniform(-0.38, -0.25), rng.integers(2, 6)
    parts = [box([at, 0, deck + tall / 2], [0.12, 1.5 * beam, tall], taper=rng.uniform(0.7, 1))]
    parts.append(box([at - 0.02, 0, deck + tall + 0.03], [0.05, 0.05, 0.1], CIRCLE))
    for x in np.linspace(at + 0.14, 0.22, rows):
        high = rng.uniform(0.03, 0.12)
        parts.append(box([x, 0, deck + high / 2 - 0.01], [0.45 / rows, 1.6 * beam, high + 0.02]))
    return parts


def _liner(rng, beam, deck):
    parts, tiers, tall = [], rng.integers(1, 4), rng.uniform(0.03, 0.06)
    for tier in range(tiers):
        size = [0.6 - 0.12 * tier, (1.5 - 0.2 * tier) * beam, tall + 0.01]
        parts.append(box([-0.05, 0, deck + (tier + 0.5) * tall], size, superellipse(16, 5)))
    funnels, high = rng.integers(1, 5), rng.uniform(0.08, 0.16)
    for x in np.linspace(-0.2, 0.12, funnels):
        size = [0.06, 0.05, high]
        parts.append(box([x, 0, deck + tiers * tall + high / 2], size, CIRCLE, lean=-0.02))
    return parts


def _sailer(rng, beam, deck):
    parts, masts, high = [], rng.integers(1, 4), rng.uniform(0.45, 0.8)
    parts.append(tube([[0.42, 0, deck], [0.68, 0, deck + 0.1]], 0.012))
    tiers, wide = rng.integers(1, 4), rng.uniform(2.5, 4.5) * beam
    for x in np.linspace(-0.3, 0.3, masts + 2)[1:-1]:
        parts.append(tube(curve(x, 0, [deck / 2, deck + high]), [0.016, 0.008]))
        for tier in range(tiers):
            tall = 0.85 * high / tiers
            z = deck + 0.12 * high + (tier + 0.5) * tall
            size = [0.01, wide * (1 - 0.2 * tier) / masts**0.3, 0.88 * tall]
            parts.append(panel([x + 0.01, 0, z], size, bend=0.06))
    return parts


def _table(rng):
    """Top of any outline, support of legs or foot; apron, lower shelf."""
    width, depth, height, thick = _between(rng, (0.6, 1.9), (0.5, 1), (0.35, 1.1), (0.02, 0.09))
    outline = superellipse(40, rng.uniform(2, 10))
    parts = [box([0, 0, height], [depth, width, thick], outline)]
    parts += _support(rng, 0.92 * depth, 0.92 * width, height)
    if rng.random() < 0.4:
        parts.append(box([0, 0, height - 0.06], [0.75 * depth, 0.75 * width, 0.12], outline))
    if rng.random() < 0.25:
        parts.append(box([0, 0, 0.3 * height], [0.8 * depth, 0.8 * width, 0.03], outline))
    return stand(parts)


def _support(rng, depth, width, height):
    """Splayed legs, a column on feet or on a disc, or a runner on either side."""
    kind, thick = rng.choice(4, p=[0.55, 0.15, 0.15, 0.15]), rng.uniform(0.015, 0.04)
    if kind == 0:
        corners = superellipse(rng.choice([3, 4, 4, 4, 6]), 6) * [0.42 * depth, 0.42 * width]
        splay, taper = _between(rng, (0.9, 1.2), (0.5, 1))
        ends = [[[*corner, height], [*(splay * corner), 0]] for corner in corners]
        return [tube(end, [thick, taper * thick]) for end in ends]
    if kind == 3:
        x, y, r, top = 0.45 * depth, 0.42 * width, 0.03, height - thick
        loop = curve([x - r, x, x, x - r], y, [0, r, top - r, top])
        return both(tube([*loop, *(loop[::-1] * [-1, 1, 1])], thick, closed=True))
    column = tube(curve(0, 0, [0.05, height]), 1.3 * thick)
    if kind == 1:
        foot = tube(curve([0, 0.45 * min(depth, width)], 0, [0.12, 0.02]), [thick, 0.02])
        return [column, *spin(foot, rng.integers(3, 6))]
    size = [*(rng.uniform(0.55, 0.8) * np.array([depth, width])), 0.04]
    return [column, box([0, 0, 0.05], size, CIRCLE, 0.9)]


FAMILIES: dict[str, Callable[[np.random.Generator], Mesh]] = {
    "aeroplane": _aeroplane,
    "bed": _bed,
    "bottle": _bottle,
    "car": _car,
    "chair": _chair,
    "guitar": _guitar,
    "lamp": _lamp,
    "mug": _mug,
    "ship": _ship,
    "table": _table,
}
