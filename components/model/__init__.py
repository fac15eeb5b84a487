"""The network, its folder on disk, inference, calibration, subsets of modalities."""
