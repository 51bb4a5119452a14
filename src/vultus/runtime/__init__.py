"""One small seam over the engines that run ONNX graphs: ONNX Runtime and OpenVINO."""
