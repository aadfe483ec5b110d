//! What the drawings have in common: sizes, colors, a heading, and a panel over time.

use std::error::Error;

use plotters::coord::types::RangedCoordf64;
use plotters::coord::Shift;
use plotters::prelude::*;

/// The width of a drawing.
pub const WIDTH: u32 = 1280;
/// The height of the heading.
pub const HEAD: u32 = 84;
/// The height of one panel.
pub const PANEL_HEIGHT: u32 = 250;

/// The color of text and axes.
pub const INK: RGBColor = RGBColor(0x33, 0x33, 0x33);

/// A part of a drawing.
pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// The points of a line.
pub type Points = Vec<(f64, f64)>;
/// A part of a drawing that has axes.
pub type Panel<'a, 'b> =
    ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Draws the title, and below it the legend: each entry's color, whether it is a line, and its
/// text.
pub fn heading(
    area: &Area<'_>,
    title: &str,
    legend: &[(RGBColor, bool, String)],
) -> Result<(), Box<dyn Error>> {
    area.draw(&Text::new(title.to_owned(), (24, 14), ("sans-serif", 24).into_font().color(&INK)))?;
    let label = ("sans-serif", 15).into_font().color(&INK);
    let mut left = 24;
    for (color, is_line, text) in legend {
        let (top, bottom) = if *is_line { (60, 63) } else { (55, 68) };
        area.draw(&Rectangle::new([(left, top), (left + 22, bottom)], color.filled()))?;
        area.draw(&Text::new(text.clone(), (left + 30, 54), label.clone()))?;
        // An estimate: the viewer chooses the font, so the text's width is not known here.
        left += 68 + 7 * text.chars().count() as i32;
    }
    Ok(())
}

/// Draws axes of time and of a number from 0 to `top`.
pub fn panel<'a, 'b>(
    area: &'a Area<'b>,
    caption: &str,
    clock: &Clock,
    (what, top): (&str, f64),
) -> Result<Panel<'a, 'b>, Box<dyn Error>> {
    let mut panel = ChartBuilder::on(area)
        .caption(caption, ("sans-serif", 18).into_font().color(&INK))
        .margin(6)
        .margin_right(24)
        .x_label_area_size(40)
        .y_label_area_size(52)
        .build_cartesian_2d(clock.begin..clock.end, 0.0..top)?;
    panel
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(WHITE)
        .bold_line_style(INK.mix(0.12))
        .axis_style(INK)
        .label_style(("sans-serif", 13).into_font().color(&INK))
        .axis_desc_style(("sans-serif", 14).into_font().color(&INK))
        .x_desc(clock.unit)
        .y_desc(what)
        .x_labels(12)
        .y_labels(6)
        .x_label_formatter(&|at| plain(*at))
        .y_label_formatter(&|number| plain(*number))
        .draw()?;
    Ok(panel)
}

/// Writes the number with at most one decimal, and a whole number with none.
fn plain(number: f64) -> String {
    let rounded = (number * 10.0).round() / 10.0;
    rounded.to_string()
}

/// A stretch of time in a unit that suits its length.
#[derive(Debug)]
pub struct Clock {
    /// The unit's name.
    pub unit: &'static str,
    minutes: f64,
    /// The first instant, in the unit.
    pub begin: f64,
    /// The last instant, in the unit.
    pub end: f64,
}

impl Clock {
    /// Creates the stretch from the first of these minutes to the last.
    pub fn new(minutes: impl Iterator<Item = u64> + Clone) -> Clock {
        let first = minutes.clone().min().unwrap_or(0);
        let last = minutes.max().unwrap_or(0).max(first + 1);
        let (unit, minutes) = match last - first {
            0..=240 => ("minutes", 1.0),
            241..=4320 => ("hours", 60.0),
            _ => ("days", 1440.0),
        };
        Clock { unit, minutes, begin: first as f64 / minutes, end: last as f64 / minutes }
    }

    /// Converts a minute to the unit.
    pub fn at(&self, minute: u64) -> f64 {
        minute as f64 / self.minutes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_has_a_unit_that_suits() {
        let clock = |last| {
            let clock = Clock::new([10, last].into_iter());
            (clock.unit, clock.begin, clock.end)
        };
        assert_eq!(clock(20), ("minutes", 10.0, 20.0));
        assert_eq!(clock(10), ("minutes", 10.0, 11.0));
        assert_eq!(clock(250), ("minutes", 10.0, 250.0));
        assert_eq!(clock(610), ("hours", 10.0 / 60.0, 610.0 / 60.0));
        assert_eq!(clock(14400), ("days", 10.0 / 1440.0, 10.0));
    }
}
