"""OpenAI's SDK for Node on a gateway without keys: the printed example, run as it stands there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.programs import INSTALLED
from tests.contract.gateway import Gateway
from tests.contract.house import furnish_keyless
from tests.contract.spec_004 import MODELS, run_node
from tests.contract.upstream import Upstream

ASK = """
const messages = [{ role: "user", content: "Hello" }];
const answer = await client.chat.completions.create({ model: MODEL, messages });
let streamed = "";
for await (const chunk of await client.chat.completions.create({ model: MODEL, messages, stream: true })) {
  streamed += chunk.choices[0]?.delta?.content ?? "";
}
const listed = [];
for await (const model of client.models.list()) listed.push(model.id);
console.log(JSON.stringify({ answer: answer.choices[0].message.content, streamed, listed }));
"""


@pytest.fixture(scope="module")
def keyless(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Gateway]:
    data_dir = tmp_path_factory.mktemp("keyless")
    furnish_keyless(data_dir, upstream)
    with Gateway(data_dir, auth="none") as gateway:
        yield gateway


def test_javascript_with_the_openai_sdk(keyless: Gateway, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(INSTALLED)
    said = run_node("JavaScript with the OpenAI SDK", keyless.port, ASK, tmp_path, MODEL=MODELS[0])
    assert said["answer"]
    assert said["streamed"] == said["answer"]
    assert set(MODELS) <= set(said["listed"])
