"""Every command of the console, once: bindings, footer, help, palette, documentation and the user's own keys come from
this list.

A command `keys.rotate` is carried out by the method `do_rotate` of the screen in whose context it is pressed, or of the
app. Its id is what an operator names in `console.json` to give it other keys.
"""

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from textual.binding import Binding, BindingType

Grade = Literal["", "undo", "ask", "type"]
Need = Literal["", "row"]


class Command(NamedTuple):
    """One thing that can be done.

    `keys` as Textual names them, with commas between alternatives. `context` says where it works: `everywhere`, `list`
    (every screen with a table) or one screen's own. `label` is for the footer; those without are not in it. `help` is a
    sentence. `needs` is what must be there: a selected row. `grade` says how a change is made sure
    of: `undo` (done at once, the toast says how to take it back), `ask` (a dialog that names the victim), `type` (the
    victim's name is typed).
    """

    id: str
    keys: str
    context: str
    label: str
    help: str
    writes: bool = False
    needs: Need = ""
    grade: Grade = ""

    @property
    def method(self) -> str:
        """The name of the method that carries it out."""
        return "do_" + self.id.partition(".")[2].replace("-", "_")


CONTEXTS = {
    "everywhere": "Everywhere",
    "list": "In every list",
    "live": "Live",
    "call": "A call",
    "keys": "Keys",
    "customers": "A customer",
    "accounts": "Accounts",
    "money": "Money",
    "money-days": "The gateway by day",
    "money-drift": "Invoices",
    "usage": "Usage",
    "models": "Models",
    "tiers": "Tiers",
    "settings": "Retention and races",
    "setup": "First steps",
    "audit": "Audit",
}

COMMANDS: tuple[Command, ...] = (
    Command("app.live", "1", "everywhere", "", "Open calls and the ones that ended, as they happen."),
    Command("app.keys", "2", "everywhere", "", "API keys and the customers they belong to."),
    Command("app.accounts", "3", "everywhere", "", "Upstream accounts: state, load, speed, spend."),
    Command("app.money", "4", "everywhere", "", "Balances, top-ups, statements, margin."),
    Command("app.usage", "5", "everywhere", "", "Calls, tokens and cost by model, key, account and hour."),
    Command("app.models", "6", "everywhere", "", "Models, aliases, prices and tiers."),
    Command("app.audit", "7", "everywhere", "", "Who changed what, and when."),
    Command("app.go", "g", "everywhere", "", "Go to the screen whose letter comes next; g again is the top."),
    Command("app.back", "q,escape", "everywhere", "back", "Leave this page, dialog or filter. Never ends the console."),
    Command("app.palette", "colon,ctrl+p", "everywhere", "command", "Find a command by its name."),
    Command("app.help", "question_mark,f1", "everywhere", "help", "What every key does on this screen."),
    Command("app.undo", "u", "everywhere", "", "Take back the last change that can be taken back.", writes=True),
    Command("app.refresh", "r", "everywhere", "", "Read everything on this screen again."),
    Command("app.quit", "ctrl+q", "everywhere", "", "End the console. The gateway goes on."),
    Command("list.down", "j,down", "list", "", "One row down."),
    Command("list.up", "k,up", "list", "", "One row up."),
    Command("list.page-down", "pagedown,ctrl+f", "list", "", "One page down."),
    Command("list.page-up", "pageup,ctrl+b", "list", "", "One page up."),
    Command("list.top", "home", "list", "", "The first row; also g g."),
    Command("list.bottom", "G,end", "list", "", "The last row."),
    Command("list.filter", "slash", "list", "filter", "Show only what matches; ! before a word leaves it out."),
    Command("list.open", "enter", "list", "detail", "Open the selected row.", needs="row"),
    Command("list.mark", "space", "list", "", "Mark the row; what follows is done to every marked one.", needs="row"),
    Command("list.sort", "s", "list", "", "Sort by the next column."),
    Command("list.reverse", "S", "list", "", "Turn the order round."),
    Command("list.copy", "y", "list", "copy", "Copy the row's id or name to the terminal's clipboard.", needs="row"),
    Command("live.follow", "f", "live", "follow", "Follow new calls, or pause."),
    Command("live.switch", "tab", "live", "", "To the calls in flight, and back to those that ended."),
    Command("live.bottom", "G,end", "live", "", "The newest call; following goes on."),
    Command("usage.by", "b,tab", "usage", "by", "The next view: by model, key, account, customer, day, hour."),
    Command("usage.by-before", "B,shift+tab", "usage", "", "The view before."),
    Command("usage.period", "p", "usage", "period", "The next period: today, 7, 30 or 90 days."),
    Command("usage.period-before", "P", "usage", "", "The period before."),
    Command("usage.export", "w", "usage", "export", "Write what is shown to a file, as CSV or JSON."),
    Command("call.copy", "y", "call", "copy id", "Copy the call's id to the terminal's clipboard."),
    Command("call.down", "j,down", "call", "", "Scroll down."),
    Command("call.up", "k,up", "call", "", "Scroll up."),
    Command("call.next", "n", "call", "older", "The call before this one in the list."),
    Command("call.previous", "p", "call", "newer", "The call after this one in the list."),
    Command("keys.create", "n", "keys", "new", "Make a key; its secret is shown once.", writes=True),
    Command("keys.edit", "e", "keys", "edit", "Change name, tier, limits, expiry, models, addresses.",
            writes=True, needs="row"),
    Command("keys.disable", "x", "keys", "disable", "Disable, or enable again. Open calls finish.",
            writes=True, needs="row", grade="undo"),
    Command("keys.rotate", "R", "keys", "rotate", "Give it a new secret; the old one works as long as you say.",
            writes=True, needs="row", grade="ask"),
    Command("keys.topup", "dollar_sign", "keys", "top up", "Add money to its customer's balance.",
            writes=True, needs="row"),
    Command("keys.revoke", "D", "keys", "revoke", "Revoke for good: open calls are cut within a second.",
            writes=True, needs="row", grade="type"),
    Command("keys.customer", "c", "keys", "customer", "Its customer: balance, limits, statement.", needs="row"),
    Command("keys.its-calls", "l", "keys", "calls", "Its calls, on Live.", needs="row"),
    Command("keys.revoked", "a", "keys", "", "Show revoked keys, too, or hide them."),
    Command("keys.export", "w", "keys", "export", "Write what is shown to a file."),
    Command("customers.topup", "dollar_sign", "customers", "top up", "Add money: an amount, then enter.",
            writes=True, grade="undo"),
    Command("customers.adjust", "a", "customers", "adjust", "Correct the balance, with a note that says why.",
            writes=True, grade="undo"),
    Command("customers.edit", "e", "customers", "edit", "Change name, limits, unlimited.", writes=True, grade="undo"),
    Command("customers.disable", "x", "customers", "disable",
            "Disable, or enable again: calls of all its keys are refused.", writes=True, grade="undo"),
    Command("customers.its-calls", "l", "customers", "calls", "Its calls, on Live."),
    Command("customers.its-keys", "o", "customers", "keys", "Its keys."),
    Command("customers.export", "w", "customers", "export", "Write the lines read so far to a file."),
    Command("money.topup", "dollar_sign", "money", "top up", "Add money: an amount, then enter.",
            writes=True, needs="row", grade="undo"),
    Command("money.create", "n", "money", "new", "Make a customer.", writes=True),
    Command("money.edit", "e", "money", "limits", "Change limits, unlimited, name.",
            writes=True, needs="row", grade="undo"),
    Command("money.adjust", "a", "money", "adjust", "Correct a balance, with a note that says why.",
            writes=True, needs="row", grade="undo"),
    Command("money.disable", "x", "money", "disable", "Disable, or enable again: calls of all its keys are refused.",
            writes=True, needs="row", grade="undo"),
    Command("money.days", "d", "money", "days", "What the gateway charged, what it cost, what is left, by day."),
    Command("money.drift", "i", "money", "invoice", "Hold what was counted at an account against its invoice."),
    Command("money.its-keys", "o", "money", "", "The customer's keys.", needs="row"),
    Command("money.its-calls", "l", "money", "", "The customer's calls, on Live.", needs="row"),
    Command("money.export", "w", "money", "export", "Write what is shown to a file."),
    Command("money-days.export", "w", "money-days", "export", "Write what is shown to a file."),
    Command("money-drift.invoice", "e", "money-drift", "invoice", "Type the amount of an invoice.", needs="row"),
    Command("money-drift.previous", "left_square_bracket,left", "money-drift", "month before", "The month before."),
    Command("money-drift.next", "right_square_bracket,right", "money-drift", "month after", "The month after."),
    Command("money-drift.export", "w", "money-drift", "export", "Write what is shown to a file."),
    Command("accounts.test", "t", "accounts", "test", "Send it one short call and see how it goes.", needs="row"),
    Command("accounts.disable", "x", "accounts", "disable", "Disable, or enable again. Open calls finish.",
            writes=True, needs="row", grade="undo"),
    Command("accounts.drain", "d", "accounts", "drain", "Bind nothing new to it, or end that; what is bound goes on.",
            writes=True, needs="row", grade="undo"),
    Command("accounts.reset", "r", "accounts", "reset", "Forget its cool-downs: it is tried again at once.",
            writes=True, needs="row"),
    Command("accounts.create", "n", "accounts", "new", "Add an upstream account; its credential is typed unseen.",
            writes=True),
    Command("accounts.edit", "e", "accounts", "edit", "Change priority, caps, models, model map, costs, base URL.",
            writes=True, needs="row", grade="undo"),
    Command("accounts.rotate", "R", "accounts", "credential", "Give it a new credential, typed unseen, and try it.",
            writes=True, needs="row"),
    Command("accounts.remove", "D", "accounts", "remove", "Remove it and its credential. Calls it served stay.",
            writes=True, needs="row", grade="type"),
    Command("accounts.its-calls", "l", "accounts", "calls", "Its calls, on Live.", needs="row"),
    Command("accounts.route", "p", "accounts", "", "Its proxy and headers, typed unseen.", writes=True, needs="row"),
    Command("accounts.discover", "m", "accounts", "", "Read its own list of models, and offer those.",
            writes=True, needs="row"),
    Command("accounts.setup", "i", "accounts", "", "The first steps, one by one: account, key, a first call."),
    Command("models.price", "p", "models", "price", "Set a price, per bucket, from now or a time to come.",
            writes=True, needs="row"),
    Command("models.alias", "a", "models", "alias", "Let another name stand for the model.",
            writes=True, needs="row", grade="undo"),
    Command("models.unalias", "A", "models", "unalias", "Take an alias of yours back.",
            writes=True, needs="row", grade="undo"),
    Command("models.tiers", "t", "models", "tiers", "What the keys of each tier may do; when calls are raced."),
    Command("models.settings", "o", "models", "settings", "How long calls are kept, and what races may cost."),
    Command("models.create", "n", "models", "new", "Add a model that the catalog lacks.", writes=True),
    Command("models.remove", "D", "models", "take back", "Take your own model, changes and prices of it back.",
            writes=True, needs="row", grade="ask"),
    Command("models.all", "v", "models", "", "Every model of the catalog, or those that an account serves."),
    Command("tiers.edit", "e", "tiers", "edit", "Change what its keys may do; it holds at once.",
            writes=True, needs="row", grade="undo"),
    Command("tiers.policy", "p", "tiers", "policy", "Turn failover into hedge, hedge into race, race into failover.",
            writes=True, needs="row", grade="undo"),
    Command("settings.edit", "e,enter", "settings", "edit", "Give it another value, which holds at once.",
            writes=True, needs="row", grade="undo"),
    Command("settings.unset", "x", "settings", "take back", "Let flag, environment, file or default hold again.",
            writes=True, needs="row", grade="undo"),
    Command("setup.next", "enter,n", "setup", "go on", "Do the step that comes next.", writes=True),
    Command("setup.test", "t", "setup", "test", "Try the account with one short call."),
    Command("setup.rotate", "R", "setup", "credential", "Give the account another credential.", writes=True),
    Command("setup.skip", "x", "setup", "skip", "Leave this for later; Accounts, i comes back to it."),
)  # fmt: skip

_SYMBOLS = {
    "slash": "/", "colon": ":", "question_mark": "?", "escape": "esc", "dollar_sign": "$", "space": "space",
    "pagedown": "pgdn", "pageup": "pgup", "up": "↑", "down": "↓", "left": "←", "right": "→", "equals_sign": "=",
    "plus": "+", "minus": "-", "exclamation_mark": "!", "full_stop": ".", "comma": ",", "left_square_bracket": "[",
    "right_square_bracket": "]",
}  # fmt: skip


def command(command_id: str) -> Command:
    """The command of that id. Raises KeyError."""
    return _BY_ID[command_id]


def commands_in(contexts: Iterable[str]) -> Iterator[Command]:
    """The commands of these contexts. Where two want a key, that of the later context has it."""
    wanted = list(contexts)
    for context in wanted:
        yield from (each for each in COMMANDS if each.context == context)


def bindings(context: str) -> list[BindingType]:
    """What a screen class (or the app) of this context puts into `BINDINGS`."""
    return [_binding(each) for each in COMMANDS if each.context == context]


def _binding(each: Command) -> Binding:
    # A quit key must work whatever has the focus.
    return Binding(
        each.keys, f"command('{each.id}')", each.label, id=each.id, show=False, priority=each.id == "app.quit"
    )


def written(keys: str) -> list[str]:
    """Keys as people read them: `colon,ctrl+p` -> [":", "ctrl+p"]."""
    return [_SYMBOLS.get(key.strip(), key.strip()) for key in keys.split(",")]


_BY_ID = {each.id: each for each in COMMANDS}
