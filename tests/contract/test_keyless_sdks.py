"""The SDKs against a gateway without keys: the examples give them a placeholder for one."""

from tests.contract.clients import hello, messages_client, openai_client

MODEL = "claude-3-5-sonnet-20241022"


def test_the_openai_sdk_with_a_placeholder_key_speaks_chat(keyless):
    with openai_client(keyless, "dummy", default_headers=keyless.somewhere()) as client:
        completion = client.chat.completions.create(model=MODEL, messages=hello())
    assert completion.choices[0].message.content


def test_the_anthropic_sdk_with_a_placeholder_key_speaks_messages(keyless):
    with messages_client(keyless, "dummy", default_headers=keyless.somewhere()) as client:
        message = client.messages.create(model=MODEL, max_tokens=100, messages=hello())
    assert message.content[0].text


def test_the_anthropic_sdk_speaks_messages_on_the_chat_path(keyless):
    with messages_client(keyless, "dummy", default_headers=keyless.somewhere()) as client:
        body = {"model": MODEL, "messages": hello()}
        answer = client.post("/v1/chat/completions", cast_to=object, body=body)
    assert answer["type"] == "message"
