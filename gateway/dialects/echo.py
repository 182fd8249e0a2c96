"""Writing the model's name as the caller knows it into what an upstream answers."""

import msgspec

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class ModelEcho:
    """Exchanges `model` in JSON objects, leaving every other byte of every value alone. One per stream or body.

    The chunks of a Chat stream all begin alike, up to and with the model. That beginning is remembered, so that from
    the second chunk on the exchange is one comparison and one concatenation.
    """

    def __init__(self, echo_model: str) -> None:
        self.name = echo_model
        self._value = msgspec.json.encode(echo_model)
        self._known = b""
        self._known_exchanged = b""

    def exchange(self, data: bytes) -> bytes:
        """`data`, a JSON object, with its own `model` exchanged."""
        known = self._known
        if known and data.startswith(known) and data.find(b'"model"', len(known)) == -1:
            return self._known_exchanged + data[len(known) :]
        fields = _FIELDS.decode(data)
        self._remember(data, fields["model"])
        if self._known:
            return self._known_exchanged + data[len(self._known) :]
        fields["model"] = msgspec.Raw(self._value)
        return msgspec.json.encode(fields)

    def exchange_in(self, data: bytes, member: str) -> bytes:
        """`data` with the `model` of one of its members exchanged; as it came where there is none or no need."""
        fields = _FIELDS.decode(data)
        inner = _FIELDS.decode(fields[member])
        if not self.differs(inner):
            return data
        inner["model"] = msgspec.Raw(self._value)
        fields[member] = msgspec.Raw(msgspec.json.encode(inner))
        return msgspec.json.encode(fields)

    def differs(self, fields: dict[str, msgspec.Raw]) -> bool:
        """Whether these members name a model other than the caller's."""
        raw = fields.get("model")
        if raw is None or bytes(raw) == self._value:
            return False
        named = msgspec.json.decode(raw)
        return isinstance(named, str) and named != self.name

    def _remember(self, data: bytes, model: msgspec.Raw) -> None:
        """Keep the beginning if it is one: `"model"` written once, and the bytes up to its value a whole object."""
        self._known = b""
        place = data.find(b'"model"')
        if data.count(b'"model"') != 1:
            return
        start = data.find(bytes(model), place)
        end = start + len(bytes(model))
        try:
            head = _FIELDS.decode(data[:end] + b"}")
        except msgspec.DecodeError:
            return
        if "model" in head and bytes(head["model"]) == bytes(model):
            self._known = data[:end]
            self._known_exchanged = data[:start] + self._value
