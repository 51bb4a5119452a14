"""Classical heads on embeddings: what recognition did before the loss did it all.

PCA and a linear SVM on pairs, Joint Bayesian, and the concatenation of several networks' features.
NumPy in, NumPy out. Fitting PCA and SVM takes scikit-learn (the ``train`` extra), scoring does not.
"""

from vultus.baselines.ensemble import join_features
from vultus.baselines.fitted import FittedHead, fit_head
from vultus.baselines.joined_file import join_embedding_files
from vultus.baselines.joint_bayesian import JointBayesian
from vultus.baselines.pca import Pca
from vultus.baselines.pca_svm import PcaSvm

__all__ = [
    "FittedHead",
    "JointBayesian",
    "Pca",
    "PcaSvm",
    "fit_head",
    "join_embedding_files",
    "join_features",
]
