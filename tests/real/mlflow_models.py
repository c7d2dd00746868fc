"""Saves models for `mlflow models serve`, one per kind of endpoint: `python mlflow_models.py DIRECTORY`.

It is run by a Python that has MLflow, under which the models are served too. It knows nothing of the tests.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import mlflow
from mlflow.models import ModelSignature
from mlflow.pyfunc import ChatAgent, ChatModel, PythonModel
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
from mlflow.types.agent import ChatAgentMessage, ChatAgentResponse
from mlflow.types.llm import ChatChoice, ChatCompletionResponse, ChatMessage, FunctionToolCallArguments


class Chatting(ChatModel):
    """Says what it was told and how much it may say; calls the tool that it is given; fails when asked to."""

    def predict(self, context: Any, messages: list[Any], params: Any) -> ChatCompletionResponse:
        asked = messages[-1].content
        if asked == "Fail.":
            raise RuntimeError("the model fell over")
        answer = ChatMessage("assistant", f"{messages[0].role}: {asked} ({params.max_tokens}, {params.stop})")
        if params.tools:
            call = FunctionToolCallArguments(params.tools[0].function.name, '{"city": "Brest"}').to_tool_call("call_1")
            answer = ChatMessage("assistant", tool_calls=[call])
        usage = {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11}
        end = "tool_calls" if params.tools else "stop"
        return ChatCompletionResponse.from_dict(
            {"choices": [ChatChoice(answer, 0, end).to_dict()], "usage": usage, "model": "chatting"}
        )


class Acting(ChatAgent):
    """Says two things, the second of which is its answer."""

    def predict(self, messages: list[Any], context: Any = None, custom_inputs: Any = None) -> ChatAgentResponse:
        said = ["I look it up.", f"It is {messages[-1].content}"]
        told = [ChatAgentMessage(role="assistant", content=text, id=str(at)) for at, text in enumerate(said)]
        return ChatAgentResponse(messages=told, custom_outputs={"heard": custom_inputs})


class Completing(PythonModel):
    """Goes on with every prompt, in as many words as it may."""

    def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> list[str]:
        prompts = model_input.iloc[:, 0]
        return [" ".join([prompt, *["and on"] * (params or {})["max_tokens"]]) for prompt in prompts]


class Embedding(PythonModel):
    """A text's vector is its length, its first letter and a number that is none of JSON's shorter ones."""

    def predict(self, model_input: list[str], params: dict[str, Any] | None = None) -> list[list[float]]:
        return [[float(len(text)), float(ord(text[0])), 1 / 3] for text in model_input]


COMPLETING = ModelSignature(
    inputs=Schema([ColSpec("string")]),
    outputs=Schema([ColSpec("string")]),
    params=ParamSchema([ParamSpec("max_tokens", "integer", 1)]),
)
MODELS: dict[str, tuple[Any, ModelSignature | None]] = {
    "chat": (Chatting(), None),
    "agent": (Acting(), None),
    "completions": (Completing(), COMPLETING),
    "embeddings": (Embedding(), None),
}


def main(directory: Path) -> None:
    """Save each model in a directory of its name."""
    for name, (model, signature) in MODELS.items():
        mlflow.pyfunc.save_model(directory / name, python_model=model, signature=signature, pip_requirements=[])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
