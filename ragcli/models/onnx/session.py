"""An ONNX file opened with onnxruntime, in the background, and run on one input at a time without padding."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ragcli.errors import ModelUnavailable
from ragcli.models.numpy.transformer import cpus
from ragcli.models.onnx.prepared import PreparedModel

_CPU = ["CPUExecutionProvider"]
_SEGMENTS = "token_type_ids"
# Importing onnxruntime (1.32) on Linux writes an identifier of the device into the cache folder and starts to send
# events from C++, which Python cannot refuse. disable_telemetry_events() comes too late for both: only the environment
# at import turns them off (onnxruntime's pull request 27379; the second name was that of 29843).
_NO_TELEMETRY = {"ORT_DISABLE_TELEMETRY": "1", "ORT_TELEMETRY_DISABLED": "1"}


class Session:
    """A model from token ids to its first output.

    It is opened in a thread, in which the caller loads other libraries and searches. Most of the time goes into
    optimizing the graph, so the result is kept in the cache folder (``prepared``).

    Each input runs by itself on one thread, and as many run at a time as there are processors. One input of 128 tokens
    takes less time per token than eight together, nothing is padded, and a result does not depend on its neighbours:
    the scale of an activation that is quantized as it comes would be that of the whole batch.
    """

    def __init__(self, path: Path, advice: str, threads: int | None = None) -> None:
        """``advice`` is the next step in every error; ``threads`` None: one per processor."""
        self._path = path
        self._advice = advice
        self._pool = ThreadPoolExecutor(threads or cpus())
        self._opened = self._pool.submit(self._open)

    def run(self, inputs: Sequence[tuple[list[int], list[int]]]) -> list[npt.NDArray[np.float32]]:
        """The first output for each pair of token ids and segment ids, (1, ...).

        ModelUnavailable when onnxruntime is missing, or cannot open or compute the model.
        """
        session = self._opened.result()
        names = {one.name for one in session.get_inputs()}

        def compute(place: int) -> npt.NDArray[np.float32]:
            ids, segments = inputs[place]
            feed = {
                "input_ids": np.array([ids], np.int64),
                "attention_mask": np.ones((1, len(ids)), np.int64),
                _SEGMENTS: np.array([segments], np.int64),
            }
            try:
                found: npt.NDArray[np.float32] = session.run(None, {k: v for k, v in feed.items() if k in names})[0]
            except Exception as error:  # the library's errors share only the base class Exception
                raise self._failed("computed", error) from error
            return found

        # the longest first, so that no thread ends with a long one while others wait
        order = sorted(range(len(inputs)), key=lambda place: -len(inputs[place][0]))
        found = dict(zip(order, self._pool.map(compute, order), strict=True))
        return [found[place] for place in range(len(inputs))]

    def _open(self) -> Any:  # noqa: ANN401 (naming the class costs its import)
        os.environ.update(_NO_TELEMETRY)
        try:
            import onnxruntime  # 25 ms of processor time
        except ImportError as error:
            reason = " ".join(str(error).split())
            raise ModelUnavailable(f"onnxruntime cannot be loaded: {reason}", self._advice) from error
        version = f"{onnxruntime.__version__} {onnxruntime.get_build_info()}"
        kept = PreparedModel.of(self._path, version)
        if kept is not None and (found := kept.find()) is not None:
            prepared = _options(onnxruntime)
            # what the file holds is the optimized graph: to the bit the same logits, and nothing is left to do
            prepared.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
            try:
                return onnxruntime.InferenceSession(str(found), prepared, providers=_CPU)
            except Exception:  # noqa: BLE001 (as below; a file in the cache only saves time)
                kept.forget(found)
        draft = kept.begin() if kept is not None else None
        if kept is not None and draft is not None:
            saving = _options(onnxruntime)
            saving.optimized_model_filepath = str(draft)
            try:
                session = onnxruntime.InferenceSession(str(self._path), saving, providers=_CPU)
            except Exception:  # noqa: BLE001 (the disk may be full; a wrong model fails again below)
                kept.forget(draft)
            else:
                self._pool.submit(kept.keep, draft)  # nobody has to wait for the disk
                return session
        try:
            return onnxruntime.InferenceSession(str(self._path), _options(onnxruntime), providers=_CPU)
        except Exception as error:  # the library's errors share only the base class Exception
            raise self._failed("opened", error) from error

    def _failed(self, step: str, error: Exception) -> ModelUnavailable:
        reason = " ".join(str(error).split())[:300]
        return ModelUnavailable(f"{self._path} cannot be {step} by onnxruntime: {reason}", self._advice)


def _options(onnxruntime: Any) -> Any:  # noqa: ANN401 (a module that is imported late, and its class)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised too
    # Without VNNI instructions, products of unsigned and signed bytes are summed in 16 bits and saturate. This makes
    # the weights unsigned there, which is exact and slower, and changes nothing with VNNI.
    options.add_session_config_entry("session.x64quantprecision", "1")
    return options
