"""Drives a node with OpenAI's client: base URL, key and part. Exits with an error if anything is off."""

import json
import sys

import openai

CHAT, EMBEDDING = "smollm2-135m-instruct", "all-minilm-l6-v2"
base_url, key, part = sys.argv[1:]
client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=120)
ask = {
    "model": "fast",
    "messages": [{"role": "user", "content": "Tell me a story about the sea."}],
    "max_tokens": 24,
    "temperature": 0,
}


def refused(kind, code, call):
    try:
        call()
    except kind as error:
        assert error.code == code, error
        assert error.request_id, error
        return error
    raise AssertionError(f"{kind} was expected")


def exhausted():
    for stream in [False, True]:
        error = refused(
            openai.RateLimitError, "insufficient_quota", lambda: client.chat.completions.create(**ask, stream=stream)
        )
        assert error.type == "insufficient_quota", error
    refused(openai.RateLimitError, "insufficient_quota", lambda: client.embeddings.create(model="embed", input="a cat"))


def everything():
    assert [model.id for model in client.models.list()] == ["fast", "quality", "embed", CHAT, EMBEDDING]
    assert client.models.retrieve(CHAT).owned_by == "worker"

    whole = client.chat.completions.create(**ask)
    text = whole.choices[0].message.content
    assert whole.model == CHAT and text and whole.choices[0].finish_reason == "length"
    assert whole.usage.completion_tokens == 24
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + 24
    assert client.chat.completions.create(**{**ask, "model": CHAT}).choices[0].message.content == text

    pieces = list(client.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True}))
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices) == text
    assert pieces[-1].usage.completion_tokens == 24
    assert all(piece.usage is None for piece in client.chat.completions.create(**ask, stream=True))

    stop = text[10:14]
    stopped = client.chat.completions.create(**ask, stop=[stop])
    assert stopped.choices[0].message.content == text[: text.index(stop)]
    assert stopped.choices[0].finish_reason == "stop"

    hot = {**ask, "temperature": 1, "seed": 3}
    answers = [client.chat.completions.create(**hot).choices[0].message.content for _ in range(2)]
    assert answers[0] == answers[1]

    schema = {
        "type": "object",
        "properties": {"pass": {"type": "boolean"}, "line": {"type": "integer", "minimum": 1, "maximum": 9}},
        "required": ["pass", "line"],
        "additionalProperties": False,
    }
    fitting = client.chat.completions.create(
        **{**ask, "max_tokens": 64},
        response_format={"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": schema}},
    )
    verdict = json.loads(fitting.choices[0].message.content)
    assert set(verdict) == {"pass", "line"} and verdict["line"] in range(1, 10)

    # The package asks for base64 by itself, and for floats where it is told to.
    embeddings = client.embeddings.create(model="embed", input=["a cat", "a kitten", "the stock market"])
    vectors = [item.embedding for item in embeddings.data]
    plain = client.embeddings.create(model=EMBEDDING, input="a cat", encoding_format="float").data[0].embedding
    dot = lambda a, b: sum(x * y for x, y in zip(a, b))
    assert len(vectors[0]) == 384 and dot(vectors[0], plain) > 0.9999
    assert dot(vectors[0], vectors[1]) > dot(vectors[0], vectors[2])

    refused(openai.NotFoundError, "model_not_found", lambda: client.models.retrieve("gpt-9"))
    refused(openai.NotFoundError, "model_not_found", lambda: client.chat.completions.create(**{**ask, "model": "gpt-9"}))
    refused(openai.BadRequestError, "invalid_request", lambda: client.chat.completions.create(**{**ask, "temperature": 9}))
    impossible = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nonsense"}}}
    error = refused(
        openai.BadRequestError,
        "invalid_request",
        lambda: client.chat.completions.create(**ask, response_format=impossible),
    )
    assert error.param == "response_format" and error.type == "invalid_request_error"
    stranger = openai.OpenAI(base_url=base_url, api_key="sk-nobody", max_retries=0)
    refused(openai.AuthenticationError, "invalid_api_key", lambda: stranger.models.list())


{"everything": everything, "exhausted": exhausted}[part]()
