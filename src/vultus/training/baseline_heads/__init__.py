"""Classical heads on embeddings: what recognition did before the loss did it all.

PCA and a linear SVM on pairs, Joint Bayesian, and the concatenation of several networks' features.
NumPy in, NumPy out; no torch.
"""

from vultus.training.baseline_heads.ensemble import join_features
from vultus.training.baseline_heads.joint_bayesian import JointBayesian
from vultus.training.baseline_heads.pca import Pca
from vultus.training.baseline_heads.pca_svm import PcaSvm

__all__ = ["JointBayesian", "Pca", "PcaSvm", "join_features"]
