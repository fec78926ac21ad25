"""A person's proportions and pose: where everything is, in pixels.

Body measures are shares of the figure's height: y = 0 is the top of the head, 1 the ground.
"""

from dataclasses import dataclass, field

import numpy as np

from data_prep.sample.shapes import along, rounded_corners, turned

HEAD_Y, NECK_Y, SHOULDER_Y, BUST_Y, WAIST_Y, HIP_Y, CROTCH_Y = (
    0.09,
    0.185,
    0.225,
    0.3,
    0.4,
    0.49,
    0.53,
)
KNEE_Y, ANKLE_Y = 0.74, 0.945
UPPER_ARM, FOREARM = 0.145, 0.135
SIDES = (-1, 1)  # -1 is the side that is seen on the left

# (upper arm, forearm): degrees from hanging straight down, outwards; and whether it is in front
ARM_POSES = {
    "relaxed": (17, 8, True),
    "hip": (52, -48, False),
    "wave": (118, 172, True),
    "head": (128, 212, False),
    "across": (16, -74, True),
    "carry": (20, 12, True),
    "out": (38, 62, True),
    "behind": (26, -22, False),
}
# per leg: (foot's x, ankle's y, the knee's way out); the figure's -1 side, then its +1 side
LEG_POSES = {
    "stand": ((-0.072, 0.945, 0.0), (0.072, 0.945, 0.0)),
    "wide": ((-0.125, 0.94, 0.0), (0.125, 0.94, 0.0)),
    "walk": ((-0.052, 0.95, 0.012), (0.095, 0.915, 0.03)),
    "stride": ((-0.15, 0.935, 0.01), (0.085, 0.94, 0.02)),
    "bent": ((-0.055, 0.945, 0.0), (0.115, 0.935, 0.035)),
    "cross": ((-0.055, 0.95, 0.0), (0.05, 0.93, 0.024)),
}


@dataclass(frozen=True)
class Build:
    """Half widths of the torso in figure heights."""

    shoulder: float
    waist: float
    hip: float


@dataclass(frozen=True)
class Pose:
    """How the person stands in one photo.

    Attributes:
        arms: Keys of ARM_POSES for the side seen left and the side seen right.
        legs: Key of LEG_POSES.
        hip_x: Sideways shift of the hips, figure heights.
        lean: Sideways shift of the shoulders against the hips, figure heights.
        head_degrees: Tilt of the head, clockwise.
        jitter: Degrees added to each of the four arm angles.
    """

    arms: tuple[str, str]
    legs: str
    hip_x: float
    lean: float
    head_degrees: float
    jitter: tuple[float, float, float, float]
    mirrored_legs: bool


@dataclass(frozen=True)
class Figure:
    """A person placed in a picture.

    Attributes:
        build: Widths.
        pose: Joint angles.
        unit: Pixels per figure height.
        origin_xy: Pixel of the middle of the head's top when standing straight.
        arms, legs: Per side (-1, 1) the joints in pixels, float [3, 2], (x, y), top to bottom.
    """

    build: Build
    pose: Pose
    unit: float
    origin_xy: tuple[float, float]
    arms: dict[int, np.ndarray] = field(init=False)
    legs: dict[int, np.ndarray] = field(init=False)

    def __post_init__(self):
        object.__setattr__(self, "arms", {side: self._arm(side) for side in SIDES})
        object.__setattr__(self, "legs", {side: self._leg(side) for side in SIDES})

    def at(self, points) -> np.ndarray:
        """Pixels of points in figure heights."""
        return np.asarray(points, float) * self.unit + self.origin_xy

    def spine_x(self, y: np.ndarray | float) -> np.ndarray:
        """Sideways position of the body's middle line at a height, figure heights."""
        share = np.clip((HIP_Y - np.asarray(y, float)) / (HIP_Y - SHOULDER_Y), -0.25, 1.15)
        return self.pose.hip_x + self.pose.lean * np.clip(share, 0, None)

    def on_torso(self, points) -> np.ndarray:
        """Pixels of points whose x is measured from the body's middle line."""
        moved = np.array(points, float)
        moved[:, 0] += self.spine_x(moved[:, 1])
        return self.at(moved)

    def in_head(self, points) -> np.ndarray:
        """Pixels of points measured from the middle of the (tilted) head."""
        chin_xy = np.array((0, 0.07))
        tilted = turned(np.asarray(points, float) - chin_xy, self.pose.head_degrees) + chin_xy
        return self.at(tilted + (self.spine_x(NECK_Y), HEAD_Y))

    def half_width(self, y) -> np.ndarray:
        """Half the torso's width at a height between the shoulders and the crotch."""
        build = self.build
        return np.interp(
            y,
            [SHOULDER_Y, BUST_Y, WAIST_Y, HIP_Y, CROTCH_Y],
            [build.shoulder, 0.9 * build.shoulder, build.waist, build.hip, 0.98 * build.hip],
        )

    def arm_path(self, side: int, start: float = 0.0, end: float = 1.0) -> np.ndarray:
        """Pixels along an arm between two shares of its length, shoulder to wrist."""
        return along(rounded_corners(self.arms[side]), start, end)

    def leg_path(self, side: int, start: float = 0.0, end: float = 1.0) -> np.ndarray:
        """Pixels along a leg between two shares of its length, hip to ankle."""
        return along(rounded_corners(self.legs[side]), start, end)

    def arm_is_in_front(self, side: int) -> bool:
        """Whether the arm is drawn over the torso."""
        return ARM_POSES[self._arm_pose(side)][2]

    def hand(self, side: int) -> tuple[np.ndarray, float]:
        """The palm's pixel and the forearm's direction in degrees (90 is down)."""
        elbow, wrist = self.arms[side][1:]
        forward = (wrist - elbow) / np.linalg.norm(wrist - elbow)
        return wrist + forward * 0.024 * self.unit, float(np.rad2deg(np.arctan2(*forward[::-1])))

    def toe_direction(self, side: int) -> int:
        """Which way (-1, 1) the foot's toe points in the picture."""
        if self.pose.legs in ("walk", "stride"):
            return -1 if self.pose.mirrored_legs else 1
        return side

    def _arm_pose(self, side: int) -> str:
        return self.pose.arms[SIDES.index(side)]

    def _arm(self, side: int) -> np.ndarray:
        upper, fore, _ = ARM_POSES[self._arm_pose(side)]
        first = 2 * SIDES.index(side)
        upper = np.deg2rad(upper + self.pose.jitter[first])
        fore = np.deg2rad(fore + self.pose.jitter[first + 1])
        shoulder = np.array([side * (self.build.shoulder - 0.02), SHOULDER_Y + 0.018])
        elbow = shoulder + UPPER_ARM * np.array([side * np.sin(upper), np.cos(upper)])
        wrist = elbow + FOREARM * np.array([side * np.sin(fore), np.cos(fore)])
        return self.at(np.stack([shoulder, elbow, wrist]) + (self.spine_x(SHOULDER_Y), 0))

    def _leg(self, side: int) -> np.ndarray:
        poses = LEG_POSES[self.pose.legs]
        mirror = self.pose.mirrored_legs
        index = SIDES.index(-side if mirror else side)
        foot_x, ankle_y, knee_out = poses[index]
        foot_x = (-foot_x if mirror else foot_x) + 0.35 * self.pose.hip_x
        hip = np.array([self.pose.hip_x + side * 0.5 * self.build.hip, HIP_Y + 0.012])
        ankle = np.array([foot_x, ankle_y])
        knee = 0.5 * (hip + ankle) + (side * knee_out, -0.005)
        return self.at(np.stack([hip, knee, ankle]))
