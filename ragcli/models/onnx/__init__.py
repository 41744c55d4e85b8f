"""The runtime of the quantized models: onnxruntime on a CPU."""
