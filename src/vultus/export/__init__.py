"""From a training run to an ONNX file with a card, compared with the network it came from."""
