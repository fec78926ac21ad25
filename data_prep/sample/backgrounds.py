"""What stands behind the person: plain studios, walls, streets, shelves, trees, lights."""

import cv2
import numpy as np

HORIZON = 0.74  # the ground starts this far down the picture, give or take


def draw_background(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A background, plain or busy.

    Returns:
        float32 [height, width, 3], RGB, 0 to 255.
    """
    scene = SCENES[rng.choice(len(SCENES), p=SCENE_CHANCES)]
    picture = scene(rng, height, width).astype(np.float32)
    rough = rng.normal(1.0, 0.014, (height // 40 + 2, width // 40 + 2)).astype(np.float32)
    picture *= cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    return np.clip(picture, 0, 255)


def _vertical_gradient(height: int, width: int, top, bottom) -> np.ndarray:
    share = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    column = np.float32(top) * (1 - share) + np.float32(bottom) * share
    return np.repeat(column, width, axis=1)


def _colour(rng: np.random.Generator, low: int, high: int, spread: int = 25) -> tuple:
    level = rng.integers(low, high)
    return tuple(float(c) for c in np.clip(level + rng.integers(-spread, spread + 1, 3), 0, 255))


def _add_ground(rng, picture: np.ndarray, colour, seams: bool = False) -> np.ndarray:
    height, width = picture.shape[:2]
    top = int(height * (HORIZON + rng.uniform(-0.04, 0.06)))
    near = np.clip(np.float32(colour) * 1.12, 0, 255)
    picture[top:] = _vertical_gradient(height - top, width, np.float32(colour) * 0.85, near)
    if seams:
        dark = tuple(float(c) * 0.75 for c in colour)
        for x in np.linspace(-2 * width, 3 * width, 16):
            cv2.line(
                picture,
                (width // 2 + int((x - width / 2) * 0.35), top),
                (int(x), height),
                dark,
                1,
                cv2.LINE_AA,
            )
        for share in (0.12, 0.3, 0.6):
            y = top + int((height - top) * share)
            cv2.line(picture, (0, y), (width, y), dark, 1, cv2.LINE_AA)
    else:
        cv2.line(
            picture, (0, top), (width, top), tuple(float(c) * 0.7 for c in colour), 2, cv2.LINE_AA
        )
    return picture


def _studio(rng, height: int, width: int) -> np.ndarray:
    base = np.asarray(_colour(rng, 150, 235, 28), np.float32)
    picture = _vertical_gradient(height, width, np.clip(base * 1.06, 0, 255), base * 0.86)
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :, None]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None, None]
    return picture * (1.04 - 0.16 * (x * x + 0.6 * y * y))


def _painted_wall(rng, height: int, width: int) -> np.ndarray:
    picture = _vertical_gradient(
        height, width, _colour(rng, 130, 220, 45), _colour(rng, 130, 210, 30)
    )
    top = int(height * HORIZON)
    if rng.random() < 0.6:
        panel = _colour(rng, 120, 220, 40)
        left = int(rng.uniform(-0.1, 0.5) * width)
        cv2.rectangle(
            picture, (left, int(0.08 * height)), (left + int(0.45 * width), top), panel, -1
        )
        cv2.rectangle(
            picture,
            (left, int(0.08 * height)),
            (left + int(0.45 * width), top),
            _colour(rng, 60, 120),
            3,
        )
    return _add_ground(rng, picture, _colour(rng, 110, 190))


def _brick(rng, height: int, width: int) -> np.ndarray:
    mortar = _colour(rng, 150, 200, 10)
    base = np.asarray(
        [(166, 84, 62), (186, 122, 92), (150, 146, 140), (206, 196, 184)][rng.integers(4)],
        np.float32,
    )
    picture: np.ndarray = np.empty((height, width, 3), np.float32)
    picture[:] = mortar
    brick_h = int(height * rng.uniform(0.022, 0.032))
    brick_w = int(brick_h * 2.4)
    for row, y in enumerate(range(0, height, brick_h)):
        for x in range(-(row % 2) * brick_w // 2, width, brick_w):
            tone = tuple(float(c) for c in base * rng.uniform(0.84, 1.12))
            cv2.rectangle(picture, (x, y), (x + brick_w - 3, y + brick_h - 3), tone, -1)
    picture = cv2.blur(picture, (3, 3))
    return _add_ground(rng, picture, _colour(rng, 120, 170, 12), seams=True)


def _street(rng, height: int, width: int) -> np.ndarray:
    picture = _vertical_gradient(height, width, (176, 206, 236), (228, 232, 232))
    ground = int(height * HORIZON)
    x = int(-0.1 * width)
    while x < width:
        house_w = int(width * rng.uniform(0.2, 0.42))
        top = int(height * rng.uniform(0.02, 0.3))
        wall = _colour(rng, 110, 215, 40)
        cv2.rectangle(picture, (x, top), (x + house_w, ground), wall, -1)
        glass = _colour(rng, 50, 130, 20)
        step = max(int(width * 0.085), 8)
        for wy in range(top + step // 2, ground - step * 2, int(step * 1.5)):
            for wx in range(x + step // 3, x + house_w - step // 2, step):
                cv2.rectangle(picture, (wx, wy), (wx + step // 2, wy + step), glass, -1)
        door = _colour(rng, 50, 170, 60)
        cv2.rectangle(
            picture, (x + house_w // 3, ground - 2 * step), (x + 2 * house_w // 3, ground), door, -1
        )
        x += house_w + int(rng.uniform(0, 0.04) * width)
    picture = _add_ground(rng, picture, _colour(rng, 110, 160, 10), seams=rng.random() < 0.5)
    return _out_of_focus(picture, rng.uniform(1.0, 4.0))


def _shelves(rng, height: int, width: int) -> np.ndarray:
    wood = np.asarray([(150, 104, 66), (210, 198, 178), (96, 74, 62)][rng.integers(3)], np.float32)
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = wood * 0.55
    shelf_h = int(height * rng.uniform(0.12, 0.17))
    for y in range(shelf_h // 2, int(height * 0.85), shelf_h):
        x = 0
        while x < width:
            thick = int(rng.uniform(0.02, 0.055) * width) + 2
            tall = int(shelf_h * rng.uniform(0.55, 0.86))
            if rng.random() < 0.88:
                cv2.rectangle(
                    picture, (x, y - tall), (x + thick - 2, y), _colour(rng, 60, 210, 60), -1
                )
            x += thick
        cv2.rectangle(picture, (0, y), (width, y + 7), tuple(float(c) for c in wood), -1)
    picture = _add_ground(rng, picture, tuple(float(c) for c in wood * 0.9), seams=True)
    return _out_of_focus(picture, rng.uniform(0.8, 3.5))


def _park(rng, height: int, width: int) -> np.ndarray:
    picture = _vertical_gradient(height, width, (188, 218, 240), (214, 230, 206))
    ground = int(height * HORIZON)
    summer, autumn = ((50, 110, 50), (130, 180, 100)), ((150, 90, 30), (230, 160, 70))
    leaves = autumn if rng.random() < 0.3 else summer
    for _ in range(rng.integers(3, 7)):
        x = int(rng.uniform(0, 1) * width)
        trunk = int(width * rng.uniform(0.02, 0.05))
        cv2.rectangle(
            picture, (x - trunk, int(0.25 * height)), (x + trunk, ground), (96, 74, 58), -1
        )
        for _ in range(26):
            at = (int(x + rng.normal(0, 0.11) * width), int(rng.uniform(0.0, 0.45) * height))
            leaf = tuple(float(c) for c in rng.uniform(*leaves))
            cv2.circle(picture, at, int(width * rng.uniform(0.03, 0.075)), leaf, -1)
    for _ in range(10):
        at = (int(rng.uniform(0, 1) * width), ground)
        cv2.circle(
            picture,
            at,
            int(width * rng.uniform(0.05, 0.11)),
            (rng.uniform(50, 90), rng.uniform(96, 140), 66),
            -1,
        )
    picture = _add_ground(rng, picture, (150, 176, 110) if rng.random() < 0.5 else (190, 178, 158))
    return _out_of_focus(picture, rng.uniform(2.0, 5.0))


def _lights(rng, height: int, width: int) -> np.ndarray:
    dark = np.asarray(_colour(rng, 50, 100, 25), np.float32)
    picture = _vertical_gradient(height, width, dark * 0.8, dark * 1.5)
    glow = np.zeros_like(picture)
    for _ in range(36):
        at = (int(rng.uniform(0, 1) * width), int(rng.uniform(0, HORIZON) * height))
        warm = (rng.uniform(90, 190), rng.uniform(60, 150), rng.uniform(30, 140))
        cv2.circle(glow, at, int(width * rng.uniform(0.02, 0.06)), warm, -1, cv2.LINE_AA)
    picture = picture + cv2.blur(glow, (3, 3))
    picture = _add_ground(rng, np.clip(picture, 0, 255), tuple(float(c) for c in dark * 1.3))
    return _out_of_focus(picture, rng.uniform(1.0, 2.5))


def _tiles(rng, height: int, width: int) -> np.ndarray:
    base = np.asarray(_colour(rng, 150, 225, 30), np.float32)
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = base
    size = int(width * rng.uniform(0.08, 0.13))
    for y in range(0, height, size):
        for x in range(0, width, size):
            tone = tuple(float(c) for c in base * rng.uniform(0.9, 1.06))
            cv2.rectangle(picture, (x + 1, y + 1), (x + size - 2, y + size - 2), tone, -1)
    return _add_ground(rng, picture, _colour(rng, 90, 170, 20), seams=True)


def _out_of_focus(picture: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(picture, (0, 0), sigma)


SCENES = (_studio, _painted_wall, _brick, _street, _shelves, _park, _lights, _tiles)
SCENE_CHANCES = (0.17, 0.14, 0.13, 0.15, 0.11, 0.14, 0.07, 0.09)
