"""The session itself: what is told, pressed, sent, and what has to be seen then."""

from typing import NamedTuple

CUSTOMER, KEY, FUNDS = "team-alpha", "laptop", "5"
DRAINED, OTHER = "swift", "steady"


class Call(NamedTuple):
    """A request sent from another terminal: a question, for an answer of so many tokens at most."""

    question: str
    max_tokens: int

    @property
    def command(self) -> str:
        body = (
            f'{{"model": "sonnet", "max_tokens": {self.max_tokens}, "stream": true,\n'
            f'       "messages": [{{"role": "user", "content": "{self.question}"}}]}}'
        )
        return (
            'curl -sSN "$ANTHROPIC_BASE_URL/v1/messages" -H "x-api-key: $ANTHROPIC_AUTH_TOKEN" \\\n'
            f"  -H 'Content-Type: application/json' \\\n  -d '{body}'"
        )


class Step(NamedTuple):
    """A stretch of the session.

    `keys` are pressed: names of keys, and "what is typed" in quotes. Then `call` is sent, once the toast `after` has
    gone, which stays for seconds: a gateway takes up a change within a quarter of one. `ends` waits until the call that
    is under way has been answered. Then the screen has to show all of `sees` and none of `misses`. `moves` says
    that it goes on changing: it is not compared with the page. `pastes` takes what is in the terminal's clipboard to
    the other terminal.
    """

    told: str
    keys: str = ""
    call: Call | None = None
    after: str = ""
    sees: tuple[str, ...] = ()
    misses: tuple[str, ...] = ()
    moves: bool = False
    pastes: bool = False
    ends: bool = False


LANDMARKS = {
    "1": "in flight",
    "2": "24 h:",
    "3": "24 hours cost",
    "4": "THE GATEWAY",
    "7": "DID",
    "n": "ctrl+s saves",
    "$": "ctrl+s saves",
}
"""What is there once a key has led where it leads: nobody types on before."""

STEPS = (
    Step(
        "The gateway of `trigate demo --tui` comes with two simulated accounts and a key with play money. It is shown\n"
        "once; this session makes its own, so it is closed.",
        sees=("A key with play money", "c Copy the first line", "● up"),
        moves=True,
    ),
    Step(
        "**Live** is where the console opens. There is nothing to see yet, and it says how that changes.",
        keys="esc",
        sees=("No calls yet.", "nothing in flight"),
        misses=("A key with play money", "127.0.0.1:8000/"),
    ),
    Step(
        "A customer first, on **Money**. What is typed is checked at once; `ctrl+s` saves from any field.",
        keys=f'4 n "{CUSTOMER}"',
        sees=("New customer", CUSTOMER, "Opening balance"),
    ),
    Step(
        "It is there, it has no credit, and the cursor is on it.",
        keys="ctrl+s",
        sees=(f"{CUSTOMER} is made.", f"▏ {CUSTOMER}", "✕ no credit"),
        misses=("New customer",),
    ),
    Step(
        "Its first key, on **Keys**. Everything a key can be limited to is in the form; empty is what its tier says.",
        keys=f'2 n "{KEY}" tab "{CUSTOMER}"',
        sees=("New key", f"{CUSTOMER} pays: it has $0.00."),
    ),
    Step(
        "Its secret, shown this once: as it is, as lines for the usual clients, and as a command to try it with.",
        keys="ctrl+s",
        sees=(f"The key {KEY}", "export ANTHROPIC_AUTH_TOKEN=", "Try it"),
    ),
    Step(
        "`c` sends the first lines to the terminal's clipboard, to be pasted into another terminal. Without that, or\n"
        "a file, it would not close without a question.",
        keys="c",
        sees=("Sent to the terminal's clipboard: the exports",),
        pastes=True,
    ),
    Step(
        "The new key is refused until its customer has money, and that is what `$` is for.",
        keys="esc",
        sees=(f"▏ {KEY}", "no credit yet: $ tops it up", "✕ no credit"),
        misses=(f"The key {KEY}",),
    ),
    Step(
        "An amount, then `enter`. The form says what the balance becomes.",
        keys=f'$ "{FUNDS}"',
        sees=(f"Top up {CUSTOMER}", "The balance becomes $5.00."),
    ),
    Step(
        "The key is good now. The top-up is a line of the ledger; `u` would take it back with another one.",
        keys="enter",
        sees=(f"$5.00 added to {CUSTOMER}.  u undoes", "balance        $5.00"),
        misses=("✕ no credit", f"Top up {CUSTOMER}"),
    ),
    Step(
        "Now a call with the new key, from the other terminal. On **Live** it is seen while it is answered: its\n"
        "tokens and its cost grow, and the account it is with stands at the end of its line.",
        keys="1",
        call=Call("Tell me about gateways in 800 words.", 1500),
        after="u undoes",
        sees=(f"◌ {DRAINED}", "─ 1 in flight ─", KEY, "claude-sonnet", "▏ ◌ open"),
        moves=True,
    ),
    Step(
        "`enter` opens the call's own page, which moves as long as the call does.",
        keys="enter",
        sees=("◌ open", f"1 {DRAINED}", "so far", f"of {CUSTOMER}, tier all"),
        moves=True,
    ),
    Step(
        "And then it has ended: what it cost, to the last decimal, at which price, and the line of the ledger.",
        sees=("● 200 completed", f"answered by {DRAINED}", "as the upstream reported it", "ledger entry"),
        ends=True,
    ),
    Step(
        "Back on **Live**, it stands among those that ended.",
        keys="esc",
        sees=("nothing in flight", "ENDED", "● 200"),
    ),
    Step(
        "The account it came from is to be taken out of service without cutting anybody off. On **Accounts**, `d`\n"
        "drains it: what is bound to it goes on, nothing new is.",
        keys="3 d",
        sees=(f"{DRAINED} is draining.  u undoes", "◌ draining"),
    ),
    Step(
        "The next conversation goes to the other account, which is slower and otherwise only the second choice.",
        keys="1",
        call=Call("Tell me about drains in 150 words.", 500),
        after="u undoes",
        sees=(f"◌ {OTHER}", "─ 1 in flight ─"),
        misses=(f"◌ {DRAINED}",),
        moves=True,
    ),
    Step(
        "The cursor follows what ends, so it is on that call once it has ended.",
        sees=("nothing in flight",),
        ends=True,
    ),
    Step(
        "Its page: one attempt, and the account that is draining was not asked.",
        keys="enter",
        sees=("● 200 completed", f"answered by {OTHER}", f"1 {OTHER}"),
        misses=(DRAINED,),
    ),
    Step(
        "**Audit** has a line for every change that was made here, under the name of whoever made it.",
        keys="7",
        sees=("accounts.drain", "customers.topup", "keys.create", "customers.create"),
    ),
    Step("`ctrl+q` ends the console, and with it the demo's gateway.", keys="ctrl+q"),
)
