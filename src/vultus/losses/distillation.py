"""What a student network learns from a teacher's embeddings: pure functions on tensors."""

from torch import Tensor

from vultus.core.errors import InputError
from vultus.losses.margins.functional import unit_rows


def cosine_distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean of 1 - cos(student, teacher): the direction of each vector, not its length.

    Args:
        student: (n, d) float32 or float64.
        teacher: (n, d), same dtype; no gradient is needed.

    Returns:
        0-d in [0, 2]; 0 for no rows.

    Raises:
        InputError: If the shapes differ.
    """
    _check(student, teacher, same_length=True)
    cosines = (unit_rows(student)[0] * unit_rows(teacher)[0]).sum(dim=1)
    return _mean(1 - cosines)


def l2_distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of the entries: direction and length.

    Args:
        student: (n, d) float32 or float64.
        teacher: (n, d), same dtype. Scale it so that its entries are about 1 in size, as those of
            a network that ends in a batch normalisation.

    Returns:
        0-d, at least 0; 0 for no rows.

    Raises:
        InputError: If the shapes differ.
    """
    _check(student, teacher, same_length=True)
    return _mean((student - teacher).square())


def relational_distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """How alike any two faces are: mean over pairs i != j of (cos(s_i, s_j) - cos(t_i, t_j))^2.

    Relational knowledge distillation with the cosine as the relation and the square as the
    penalty. Student and teacher may have vectors of different length.

    Args:
        student: (n, d) float32 or float64.
        teacher: (n, e), same dtype.

    Returns:
        0-d in [0, 4]; 0 for fewer than two rows.

    Raises:
        InputError: If the numbers of rows differ.

    Source: Park et al., "Relational Knowledge Distillation", CVPR 2019, arXiv 1904.05068,
    equation 3, psi(a, b) = cos(a, b), l(x, y) = (x - y)^2; the similarity matrix is that of Tung
    and Mori, "Similarity-Preserving Knowledge Distillation", ICCV 2019, arXiv 1907.09682, of unit
    vectors and without its scaling of rows.
    """
    _check(student, teacher, same_length=False)
    squares = (_cosines(student) - _cosines(teacher)).square()
    pairs = len(student) * (len(student) - 1)
    return (squares.sum() - squares.diagonal().sum()) / max(pairs, 1)


def _cosines(rows: Tensor) -> Tensor:
    unit, _ = unit_rows(rows)
    return unit @ unit.T


def _mean(values: Tensor) -> Tensor:
    """The mean; 0, with a graph, of nothing."""
    return values.sum() / max(values.numel(), 1)


def _check(student: Tensor, teacher: Tensor, *, same_length: bool) -> None:
    shapes = tuple(student.shape), tuple(teacher.shape)
    fits = student.ndim == teacher.ndim == 2 and len(student) == len(teacher)
    if not fits or (same_length and shapes[0] != shapes[1]):
        wanted = "of one shape (n, d)" if same_length else "of shapes (n, d) and (n, e)"
        raise InputError(f"student and teacher must be {wanted}, got {shapes[0]} and {shapes[1]}")
