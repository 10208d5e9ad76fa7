"""Work in turns: hidden panels wait, seen ones do not."""

from __future__ import annotations

from types import SimpleNamespace

from PySide6.QtWidgets import QStackedWidget, QWidget

from widgets.later import Later, Refill, Room, seen
from widgets.session import Session


def test_pieces_are_done_in_order_one_per_turn_and_once(qtbot):
    later, owner, done = Later(), QWidget(), []
    qtbot.addWidget(owner)
    for k in (0, 1, 0, 2):
        later.ask(owner, k, lambda k=k: done.append(k))
    assert not done
    later._turn()
    assert done == [0], "one piece a turn"
    qtbot.waitUntil(lambda: len(done) == 3)
    assert done == [0, 1, 2]


def test_what_fails_or_is_gone_does_not_hold_up_the_rest(qtbot):
    later, owner, gone, done = Later(), QWidget(), QWidget(), []
    qtbot.addWidget(owner)
    later.ask(gone, "a", lambda: done.append("gone"))
    later.ask(owner, "b", lambda: done.append("there"))
    gone.deleteLater()
    qtbot.waitUntil(lambda: done == ["there"])


def test_a_hidden_panel_is_told_later_and_a_seen_one_at_once(qtbot):
    session, stack, told = Session(), QStackedWidget(), []
    front, back = QWidget(), QWidget()
    for name, page in (("front", front), ("back", back)):
        stack.addWidget(page)
        Refill(page, session, lambda kind, name=name: told.append((name, kind)))
    qtbot.addWidget(stack)
    session.items_changed.emit("fits")
    assert len(told) == 2, "without a window on the screen nobody waits"
    stack.resize(200, 100)
    with qtbot.waitExposed(stack):
        stack.show()
    assert seen(front)
    assert not seen(back)
    told.clear()
    session.items_changed.emit("fits")
    session.items_changed.emit("fits")
    assert told == [("front", "fits")] * 2
    qtbot.waitUntil(lambda: ("back", "fits") in told)
    assert told.count(("back", "fits")) == 1, "told once for both"


def test_what_was_missed_is_told_before_it_is_shown_or_something_new_selected(qtbot):
    session, stack, told = Session(), QStackedWidget(), []
    front, back = QWidget(), QWidget()
    stack.addWidget(front)
    stack.addWidget(back)
    Refill(back, session, told.append)
    qtbot.addWidget(stack)
    with qtbot.waitExposed(stack):
        stack.show()
    session.items_changed.emit("fits")
    stack.setCurrentWidget(back)
    assert told == ["fits"]
    stack.setCurrentWidget(front)
    items = {"new": SimpleNamespace(kind="datasets", finished=True)}
    session.project = SimpleNamespace(item=items.__getitem__)
    session.items_changed.emit("datasets")
    assert told == ["fits"]
    session.item_selected.emit("new")
    assert told == ["fits", "datasets"]


def test_a_room_makes_its_widget_when_seen_or_asked_for_and_once(qtbot):
    made = []

    def make() -> QWidget:
        made.append(QWidget())
        return made[-1]

    stack, seen_one, asked = QStackedWidget(), Room(make), Room(make)
    stack.addWidget(QWidget())
    stack.addWidget(seen_one)
    stack.addWidget(asked)
    qtbot.addWidget(stack)
    with qtbot.waitExposed(stack):
        stack.show()
    assert made == []
    assert asked.get() is asked.get() is made[0]
    assert not made[0].isVisible()
    stack.setCurrentWidget(seen_one)
    assert seen_one.made is made[1]
    assert made[1].isVisible()
    stack.setCurrentWidget(asked)
    assert made[0].isVisible()
    assert len(made) == 2
