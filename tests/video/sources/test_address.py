import pytest

from vultus.video.sources.address import public_address


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("rtsp://admin:s3cret@cam:554/door", "rtsp://cam:554/door"),
        ("rtsp://cam/door", "rtsp://cam/door"),
        ("http://s3cret@cam/x?user=a&password=s3cret#s3cret", "http://cam/x"),
        ("http://a:s3cret/@x@cam/y", "http://cam/y"),
        ("rtsp://a:s3cret#1@cam/y", "rtsp://cam/y"),
        ("rtsp://a:s3cret?1@cam/y?t=s3cret", "rtsp://cam/y"),
    ],
)
def test_no_secret_stays_in_an_address(address: str, public: str) -> None:
    assert public_address(address) == public
