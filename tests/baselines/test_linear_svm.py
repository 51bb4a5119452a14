import numpy as np
import pytest
from sklearn.svm import LinearSVC

from vultus.baselines.linear_svm import fit_linear_svm
from vultus.core.errors import InputError


@pytest.mark.parametrize("cost", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize("gap", [0.3, 4.0])  # overlapping, separable
def test_agrees_with_liblinear(cost: float, gap: float) -> None:
    generator = np.random.default_rng(0)
    signs = np.repeat([1.0, -1.0], 60)
    features = generator.normal(size=(120, 5)) + gap * signs[:, None] * [1, 0.5, 0, 0, -1] + 0.7
    plane = fit_linear_svm(features, signs, cost=cost)
    reference = LinearSVC(C=cost, dual=False, tol=1e-10, max_iter=10_000).fit(features, signs)
    assert plane.weights == pytest.approx(reference.coef_[0], rel=1e-4, abs=1e-6)
    assert plane.bias == pytest.approx(reference.intercept_[0], rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("signs", [[1.0, 1.0], [1.0, 0.0], [1.0, -1.0, 1.0]])
def test_signs_must_be_both_and_one_per_row(signs: list[float]) -> None:
    with pytest.raises(InputError, match="1 and -1"):
        fit_linear_svm(np.zeros((2, 3)), np.array(signs))
