"""Parametric families of vehicles: aeroplanes, cars and ships."""

import numpy as np

from spherical_cnn.shapes.generated.primitives import (
    CIRCLE,
    assemble,
    box,
    curve,
    ellipsoid,
    mirror,
    move,
    panel,
    repeat,
    superellipse,
    sweep,
    tube,
    uniform,
)
from spherical_cnn.shapes.signal import Mesh


def make_aeroplane(rng):
    """Builds fuselage, swept wings, tailplane, fin, engines or propeller; rarely a biplane."""
    girth, chord, taper, nose = uniform(rng, (0.05, 0.1), (0.12, 0.28), (0.3, 1), (0.08, 0.2))
    tail, fin, tail_height = uniform(rng, (0.12, 0.22), (0.1, 0.22), (0, 1))
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
        parts += mirror(*(tube([foot, foot + lift], 0.012) for foot in struts))
    low = np.array([-0.42, 0, 0.5 * girth])
    high = low + [-0.5 * fin, 0, fin + girth]
    parts.append(sweep(superellipse(16), [low, high], [[0.09, 0.012], [0.05, 0.008]]))
    parts += _wing(low + tail_height * (high - low), [-0.04, tail, 0], 0.13, 0.6)
    size, kind = np.array([0.16, 0.5 * girth + 0.03, 0.5 * girth + 0.03]), rng.integers(4)
    if kind == 0:
        blade = box([0, 0, 0.06], [0.02, 0.03, rng.uniform(0.12, 0.17)])
        parts += [move(part, [0.5, 0, 0]) for part in repeat(blade, rng.integers(2, 5), axis=0)]
    elif kind == 3:
        parts += mirror(box([-0.28, 0.9 * girth + 0.01, 0.3 * girth], size, CIRCLE, 0.7, axis=0))
    else:
        places = [root + y * reach + [0.06, 0, -0.4 * size[2]] for y in (0.4, 0.7)[:kind]]
        parts += mirror(*(box(place, size, CIRCLE, axis=0) for place in places))
    return assemble(parts)


def _wing(root, reach, chord, taper):
    scales = np.outer([1, taper], [chord / 2, 0.07 * chord])
    return mirror(sweep(superellipse(16), [root, root + np.asarray(reach)], scales, axis=1))


def make_car(rng):
    """Builds body, cabin, wheels and mirrors; sometimes a roof box, spoiler or load bed."""
    length, width, belt, roof = uniform(rng, (3.4, 5.2), (1.6, 2.1), (0.5, 0.8), (0.4, 0.9))
    bonnet, boot, front, rear = uniform(rng, (0.04, 0.36), (0.02, 0.3), (0.05, 0.6), (0.02, 0.7))
    clear, extra, tuck = uniform(rng, (0.15, 0.4), (0, 1), (0.75, 1))
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
    wheel, base = uniform(rng, (0.28, 0.42), (0.27, 0.34))
    for x in (-base * length, base * length):
        hub = curve(x, width / 2 + np.array([-0.18, 0.02, 0.06, 0.06, 0.02]), wheel)
        rings = wheel * np.array([[1], [1], [0.9], [0.65], [0.6]])
        parts += mirror(sweep(CIRCLE, hub, rings, axis=1))
    parts += mirror(ellipsoid([nose - 0.15, width / 2 + 0.06, top + 0.05], [0.15, 0.25, 0.18]))
    if extra < 0.2:
        side = [(tail + back) / 2, 0.45 * width, top + 0.05]
        parts += mirror(box(side, [tail - back, 0.08, 0.35]))
        parts.append(box([back, 0, top + 0.05], [0.08, 0.9 * width, 0.35]))
    elif extra < 0.4:
        rack = [ends[1].mean(), 0, top + roof + 0.12]
        parts.append(box(rack, [1.4, 0.8, 0.25], superellipse(16, 4)))
    elif extra < 0.6:
        parts.append(box([back, 0, top + 0.2], [0.3, 0.9 * width, 0.05]))
        parts += mirror(box([back, 0.35 * width, top + 0.05], [0.1, 0.06, 0.3]))
    return assemble(parts)


def make_ship(rng):
    """Builds a hull with containers and bridge, decks and funnels, or masts and sails."""
    beam, depth, sheer, rake = uniform(rng, (0.08, 0.16), (0.08, 0.18), (0, 0.06), (0, 0.1))
    stern, bow, bilge = uniform(rng, (0.3, 0.9), (1.5, 3), (1.6, 5))
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
    return assemble([Mesh(hull, faces), *rig(rng, beam, depth)])


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
