import numpy as np
from scipy.spatial.transform import Rotation

from core.descriptors.pair_distances import pair_distances, repeated_frames
from tests.molecules import ethanol_frames


def test_repeats_are_found_wherever_they_are_and_however_turned():
    frames = ethanol_frames(50)
    turned = frames[7] @ Rotation.from_rotvec([0.3, -1.0, 2.0]).as_matrix().T + [1.0, 2.0, 3.0]
    everything = np.concatenate([frames, frames[3:4], turned[None], frames[3:4]])
    again, first = repeated_frames(everything)
    assert again.tolist() == [50, 51, 52]
    assert first.tolist() == [3, 7, 3]


def test_near_frames_are_not_repeats():
    frames = np.repeat(ethanol_frames(1), 5, axis=0)
    frames[:, 0, 0] += 1e-4 * np.arange(5)
    assert len(repeated_frames(frames)[0]) == 0


def test_one_atom_has_no_distances():
    assert pair_distances(np.zeros((2, 1, 3))).shape == (2, 0)
    assert len(repeated_frames(np.zeros((2, 1, 3)))[0]) == 0
