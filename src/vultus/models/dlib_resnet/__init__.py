"""dlib's face recognition ResNet: its published file, read without dlib, as an ONNX graph."""
