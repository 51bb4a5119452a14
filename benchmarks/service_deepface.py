"""The service beside deepface's API: the same photos, the same detector's and network's files.

``python -m benchmarks.service_deepface --python VENV/bin/python --home DIR --out table.md``

VENV has deepface 0.0.103, gunicorn, dlib-bin; DIR/.deepface/weights has the files of dlib's network
and of YuNet, Vultus has the same (`--model dlib-resnet`). Asked is an embedding of each photo's
face (`POST /represent`, `POST /v1/embeddings`), the two in turn.
"""

import argparse
import os
import platform
import socket
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
from benchmarks.service_load import Served

from vultus.image.demo_photos import write_demo_photos

FORM = {"model_name": "Dlib", "detector_backend": "yunet", "align": "true"}
APP = "deepface.api.src.app:create_app()"


class Peer:
    """deepface's API as its own image runs it: gunicorn, one worker that does one at a time.

    With several threads it answers some photos by 400: its detector is shared among them.

    Args:
        python: Of its environment.
        home: Where its weights are.
    """

    def __init__(self, python: Path, home: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        command = [str(python), "-m", "gunicorn", "--workers=1"]
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        environment |= {"DEEPFACE_HOME": str(home), "CUDA_VISIBLE_DEVICES": "-1"}
        self.process = subprocess.Popen(
            [*command, f"--bind=127.0.0.1:{port}", "--timeout=3600", APP],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(1800):
            try:
                if httpx.get(self.address, timeout=60).is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise RuntimeError("deepface does not answer")


def rate(address: str, headers: dict[str, str], photos: list[bytes], clients: int) -> float:
    """Photos a second."""
    ours = bool(headers)
    with httpx.Client(base_url=address, headers=headers, timeout=600) as client:

        def one(photo: bytes) -> None:
            if ours:
                answer = client.post("/v1/embeddings", files={"photo": ("x.png", photo)})
            else:
                files = {"img": ("x.png", photo)}
                answer = client.post("/represent", data=FORM, files=files)
            answer.raise_for_status()
            assert len(answer.json()["faces" if ours else "results"]) == 1

        start = time.perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(one, photos))
        return len(photos) / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description="The service beside deepface's API.")
    parser.add_argument("--python", type=Path, required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    rates: dict[tuple[str, int], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        data.mkdir()
        people = write_demo_photos(Path(folder) / "photos").values()
        photos = [path.read_bytes() for paths in people for path in paths[:2]] * 3
        peer = Peer(asked.python, asked.home)
        options = "--model", "dlib-resnet", "--detector", "yunet:yunet-n-dynamic"
        try:
            with Served(data, *options) as served:
                ours = {"Authorization": f"Bearer {served.key}"}
                for _ in range(asked.rounds + 1):  # the first warms up
                    for clients in (1, 16):
                        for name, address, headers in (
                            ("vultus", served.address, ours),
                            ("deepface", peer.address, {}),
                        ):
                            found = rate(address, headers, photos, clients)
                            rates.setdefault((name, clients), []).append(found)
        finally:
            peer.process.terminate()
            peer.process.wait()
    medians = {key: float(np.median(values[1:])) for key, values in rates.items()}
    lines = [
        "# The service beside deepface's API",
        "",
        f"`python -m benchmarks.service_deepface --rounds {asked.rounds}`; {os.cpu_count()} cores "
        f"that the clients share, 1-minute load {os.getloadavg()[0]:.0f}; Python "
        f"{platform.python_version()}, deepface 0.0.103 (gunicorn, one worker), "
        f"{time.strftime('%Y-%m-%d', time.gmtime())}. dlib's network and YuNet, from the same "
        "files, two portraits; photos a second, medians of rounds in turn.",
        "",
        "| clients | `vultus serve` | deepface | ratio |",
        "|---:|---:|---:|---:|",
    ]
    for clients in (1, 16):
        a, b = medians["vultus", clients], medians["deepface", clients]
        lines.append(f"| {clients} | {a:.2f} | {b:.2f} | {a / b:.2f} |")
    text = "\n".join(lines) + "\n"
    print(text)
    if asked.out is not None:
        asked.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
