"""Live curves, their legend, export and the palette."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from widgets.curves import LiveCurve
from widgets.palette import Palette, color_of
from widgets.plot_tools import export, to_csv


@pytest.fixture
def curve(qtbot):
    made = LiveCurve(x_label="Epoch", y_label="Error (meV/Å)", name="loss")
    qtbot.addWidget(made)
    made.resize(400, 300)
    made.show()
    return made


def test_points_that_come_one_by_one_end_up_in_one_curve(curve, qtbot):
    x = np.arange(1000.0)
    with qtbot.waitSignal(curve.drawn):
        for value in x:
            curve.append("train", value, np.exp(-value / 300))
    got_x, got_y = curve.series("train")
    np.testing.assert_array_equal(got_x, x)
    np.testing.assert_allclose(got_y, np.exp(-x / 300))
    assert "train" in curve.legend.text()


def test_a_thousand_points_wait_for_one_redraw(curve, qtbot):
    drawn = []
    curve.drawn.connect(lambda: drawn.append(1))
    for value in range(1000):
        curve.append("a", value, value)
    qtbot.wait(120)
    assert 1 <= len(drawn) <= 3


def test_lengths_that_do_not_fit_are_refused(curve):
    with pytest.raises(ValueError, match="2 x values for 3 y"):
        curve.append("a", [1, 2], [1, 2, 3])


def test_hover_reads_the_nearest_point_of_every_curve(curve, qtbot):
    curve.append("a", [0, 1, 2], [5.0, 6.0, 7.0])
    curve.append("b", [0, 1, 2], [50.0, 60.0, 70.0])
    curve.flush()
    qtbot.wait(30)  # ranges follow the data at the next paint
    box = curve.plot.plotItem.vb
    curve.plot.scene().sigMouseMoved.emit(box.mapViewToScene(_point(1.1, 30)))
    assert "6" in curve.readout.text()
    assert "60" in curve.readout.text()


def test_a_click_tells_the_x(curve, qtbot):
    curve.append("a", [0.0, 10.0], [0.0, 1.0])
    curve.flush()
    qtbot.waitExposed(curve)
    box = curve.plot.plotItem.vb
    qtbot.wait(20)
    at = curve.plot.mapFromScene(box.mapViewToScene(_point(5.0, 0.5)))
    with qtbot.waitSignal(curve.clicked) as caught:
        QTest.mouseClick(curve.plot.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert caught.args[0] == pytest.approx(5.0, abs=0.2)


def test_zero_and_negative_values_do_not_break_a_logarithmic_axis(curve):
    curve.set_log(y=True)
    curve.append("a", [0, 1, 2, 3], [1.0, 0.0, -1.0, 10.0])
    curve.flush()
    curve.grab()


def test_clear_forgets_everything(curve):
    curve.append("a", [0, 1], [1, 2])
    curve.set_band("a", [0, 1], [0, 1], [2, 3])
    curve.flush()
    curve.clear()
    assert curve.table()[1] == []
    curve.append("a", [5], [6])
    curve.flush()
    assert curve.series("a")[0].tolist() == [5.0]


def test_the_table_goes_to_csv_with_its_units(curve):
    curve.append("a", [0, 1], [0.1, 0.123456789])
    rows = list(csv.reader(io.StringIO(to_csv(curve.table()))))
    assert rows[0] == ["curve", "Epoch", "Error (meV/Å)"]
    assert float(rows[2][2]) == pytest.approx(0.123456789, rel=1e-7)


@pytest.mark.parametrize("kind", ["svg", "pdf", "png", "csv"])
def test_every_format_is_written(curve, tmp_path, kind):
    curve.append("a", np.arange(50), np.arange(50) ** 2)
    curve.flush()
    path = tmp_path / f"plot.{kind}"
    export(curve.plot, path, curve.table)
    head = path.read_bytes()[:200]
    assert {"svg": b"<svg", "pdf": b"%PDF", "png": b"PNG", "csv": b"curve,"}[kind] in head


def test_an_unknown_format_is_refused(curve, tmp_path):
    with pytest.raises(ValueError, match="svg"):
        export(curve.plot, tmp_path / "plot.docx")


def test_the_right_click_menu_offers_copy_export_and_reset(curve, qtbot):
    curve.append("a", [0, 1], [0, 1])
    texts = [a.text() for a in curve.menu.menu().actions()]
    assert "Copy picture" in texts
    assert "Reset view" in texts
    assert [t for t in texts if t.startswith("Export")] == [
        f"Export {k}…" for k in ("SVG", "PDF", "PNG", "CSV")
    ]
    curve.menu.copy_numbers()


def test_double_click_shows_everything_again(curve, qtbot):
    curve.append("a", [0, 10], [0, 1])
    curve.flush()
    curve.plot.plotItem.vb.setXRange(2, 3)
    QTest.mouseDClick(curve.plot.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(200, 120))
    qtbot.wait(50)
    low, high = curve.plot.plotItem.vb.viewRange()[0]
    assert low <= 0
    assert high >= 10


def test_colours_are_stable_distinct_and_follow_the_theme():
    palette = Palette()
    labels = ["MMFF94", "UFF", "GFN2-xTB", "my fit", "sGDML 200", "sGDML 500", "another", "last"]
    styles = [palette.style(label) for label in labels]
    assert len({s.light for s in styles}) == len(labels)
    assert [palette.style(label) for label in labels] == styles
    assert Palette().style("UFF") == palette.style("UFF")
    assert Palette().style("Reference: ethanol").light == "#1a1a1a"
    assert color_of("UFF", dark=True) != color_of("UFF")


def test_more_labels_than_colours_still_work():
    palette = Palette()
    assert all(palette.style(f"fit {k}") for k in range(60))


def _point(x: float, y: float):
    from PySide6.QtCore import QPointF

    return QPointF(x, y)


def test_numbers_below_one_are_not_shown_a_thousand_times_too_large(qtbot):
    curve = LiveCurve()
    qtbot.addWidget(curve)
    curve.set_labels("sigma (1/Å)", "validation force MAE (kcal/mol/Å)")
    curve.set_series("MAE", np.array([14.0, 20.0]), np.array([0.82, 0.81]))
    curve.set_labels("sigma (1/Å)", "validation force MAE (kcal/mol/Å)")
    curve.plot.plotItem.setYRange(0.8, 0.83)
    axis = curve.plot.plotItem.getAxis("left")
    assert axis.autoSIPrefixScale * axis.scale == 1.0
