//! The drawing: occupancy over time against the capacity, a panel for each of the busiest keys.

use std::error::Error;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::books::busiest;
use crate::replay::{Move, Replay};
use crate::table::grouped;
use crate::trace::Kind;

/// Keys that are drawn; the table has them all.
const PANELS: usize = 6;
const WIDTH: u32 = 1280;
const HEAD: u32 = 84;
const PANEL_HEIGHT: u32 = 250;

const ASKED: RGBColor = RGBColor(0xf2, 0xb8, 0x5c);
const INSIDE: RGBColor = RGBColor(0x2f, 0x6d, 0xb3);
const LIMIT: RGBColor = RGBColor(0xc8, 0x24, 0x2b);
const INK: RGBColor = RGBColor(0x33, 0x33, 0x33);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Points = Vec<(f64, f64)>;

/// Draws the replay; yields the SVG.
pub(crate) fn draw(
    keys: &[String],
    replay: &Replay,
    capacity: u32,
) -> Result<String, Box<dyn Error>> {
    let mut drawn = busiest(keys, &replay.books);
    drawn.truncate(PANELS);
    let columns = drawn.len().clamp(1, 2);
    let rows = drawn.len().div_ceil(columns);

    let mut svg = String::new();
    {
        let size = (WIDTH, HEAD + rows as u32 * PANEL_HEIGHT);
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE)?;
        let (head, body) = root.split_vertically(HEAD);
        let clock = Clock::new(&replay.moves);
        let panels: Vec<Panel> =
            drawn.iter().map(|&key| Panel::new(key, &keys[key], replay, &clock)).collect();
        let top = top(&panels, capacity);
        heading(&head, capacity, f64::from(capacity) <= top, (panels.len(), keys.len()))?;
        for (panel, area) in panels.into_iter().zip(body.split_evenly((rows, columns))) {
            panel.draw(&area, &clock, capacity, top)?;
        }
        root.present()?;
    }
    Ok(svg)
}

/// The top of all panels, so that they can be compared. A capacity far above everybody would flatten
/// the picture and is left out.
fn top(panels: &[Panel], capacity: u32) -> f64 {
    let heads = panels.iter().flat_map(|panel| &panel.asked).map(|&(_, heads)| heads);
    let (highest, limit) = (heads.fold(1.0, f64::max), f64::from(capacity));
    1.08 * if limit <= 4.0 * highest { highest.max(limit) } else { highest }
}

/// The title and the legend.
fn heading(
    area: &Area<'_>,
    capacity: u32,
    limit_is_drawn: bool,
    (drawn, keys): (usize, usize),
) -> Result<(), Box<dyn Error>> {
    let which = if drawn < keys {
        format!("the {drawn} busiest of {} keys", grouped(keys as u64))
    } else {
        "every key".to_owned()
    };
    let title = format!("Occupancy over time against the capacity, {which}");
    area.draw(&Text::new(title, (24, 14), ("sans-serif", 24).into_font().color(&INK)))?;

    let label = ("sans-serif", 15).into_font().color(&INK);
    let above = if limit_is_drawn { "" } else { " (far above the picture)" };
    let mut left = 24;
    let entries = [
        (INSIDE, "inside".to_owned(), 120),
        (ASKED, "would be inside without a limit".to_owned(), 290),
        (LIMIT, format!("capacity {capacity}{above}"), 0),
    ];
    for (color, text, advance) in entries {
        let (top, bottom) = if color == LIMIT { (60, 63) } else { (55, 68) };
        area.draw(&Rectangle::new([(left, top), (left + 22, bottom)], color.filled()))?;
        area.draw(&Text::new(text, (left + 30, 54), label.clone()))?;
        left += advance;
    }
    Ok(())
}

/// What is drawn of one key.
struct Panel {
    caption: String,
    asked: Points,
    inside: Points,
}

impl Panel {
    fn new(key: usize, name: &str, replay: &Replay, clock: &Clock) -> Panel {
        let moves = || replay.moves.iter().filter(|made| made.key == key);
        Panel {
            caption: format!("{name}: {} refused", grouped(replay.books[key].refused)),
            asked: staircase(moves(), clock),
            inside: staircase(moves().filter(|made| made.admitted), clock),
        }
    }

    fn draw(
        self,
        area: &Area<'_>,
        clock: &Clock,
        capacity: u32,
        top: f64,
    ) -> Result<(), Box<dyn Error>> {
        let mut chart = ChartBuilder::on(area)
            .caption(self.caption, ("sans-serif", 18).into_font().color(&INK))
            .margin(6)
            .margin_right(24)
            .x_label_area_size(40)
            .y_label_area_size(52)
            .build_cartesian_2d(clock.begin..clock.end, 0.0..top)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(WHITE)
            .bold_line_style(INK.mix(0.12))
            .axis_style(INK)
            .label_style(("sans-serif", 13).into_font().color(&INK))
            .axis_desc_style(("sans-serif", 14).into_font().color(&INK))
            .x_desc(clock.unit)
            .y_desc("inside")
            .x_labels(12)
            .y_labels(6)
            .x_label_formatter(&|at| plain(*at))
            .y_label_formatter(&|heads| plain(*heads))
            .draw()?;
        // The border shows what is too short to have a width.
        for (points, color) in [(self.asked, ASKED), (self.inside, INSIDE)] {
            chart.draw_series(AreaSeries::new(points, 0.0, color).border_style(color))?;
        }
        let limit = f64::from(capacity);
        if limit <= top {
            let ends = [(clock.begin, limit), (clock.end, limit)];
            chart.draw_series(LineSeries::new(ends, LIMIT.stroke_width(2)))?;
        }
        Ok(())
    }
}

/// The number without a fraction that is not there.
fn plain(number: f64) -> String {
    let rounded = (number * 10.0).round() / 10.0;
    rounded.to_string()
}

/// How many are inside after each move, as a line with a step at each change.
fn staircase<'a>(moves: impl Iterator<Item = &'a Move>, clock: &Clock) -> Points {
    let (mut points, mut heads) = (vec![(clock.begin, 0.0)], 0.0);
    for made in moves {
        let at = clock.at(made.minute);
        points.push((at, heads));
        heads += match made.kind {
            Kind::Join => 1.0,
            Kind::Leave => -1.0,
        };
        points.push((at, heads));
    }
    points.push((clock.end, heads));
    points
}

/// Time in a unit that suits the length of the trace.
struct Clock {
    unit: &'static str,
    minutes: f64,
    begin: f64,
    end: f64,
}

impl Clock {
    fn new(moves: &[Move]) -> Clock {
        let first = moves.iter().map(|made| made.minute).min().unwrap_or(0);
        let last = moves.iter().map(|made| made.minute).max().unwrap_or(0).max(first + 1);
        let (unit, minutes) = match last - first {
            0..=240 => ("minutes", 1.0),
            241..=4320 => ("hours", 60.0),
            _ => ("days", 1440.0),
        };
        Clock { unit, minutes, begin: first as f64 / minutes, end: last as f64 / minutes }
    }

    fn at(&self, minute: u64) -> f64 {
        minute as f64 / self.minutes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{replay, trace};
    use indicatif::ProgressBar;

    fn replayed(lines: &str, capacity: u32) -> (Vec<String>, Replay) {
        let text = format!("minute,event,member,key\n{lines}");
        let trace = trace::parse(text.as_bytes()).unwrap();
        let replay = replay::run(&trace, capacity, 2, &ProgressBar::hidden());
        (trace.keys, replay)
    }

    #[test]
    fn the_staircase_steps_where_somebody_comes_or_goes() {
        let (_, replay) = replayed("10,join,1,A\n12,join,2,A\n15,leave,1,A\n20,join,3,B\n", 5);
        let clock = Clock::new(&replay.moves);
        assert_eq!((clock.unit, clock.begin, clock.end), ("minutes", 10.0, 20.0));
        let of_a = replay.moves.iter().filter(|made| made.key == 0);
        let expected = [
            (10.0, 0.0),
            (10.0, 0.0),
            (10.0, 1.0),
            (12.0, 1.0),
            (12.0, 2.0),
            (15.0, 2.0),
            (15.0, 1.0),
            (20.0, 1.0),
        ];
        assert_eq!(staircase(of_a, &clock), expected);
    }

    #[test]
    fn the_drawing_names_its_keys_its_capacity_and_its_axes() {
        let (keys, replay) = replayed("1,join,1,LAX\n2,join,2,LAX\n3,join,3,SFO\n", 1);
        let svg = draw(&keys, &replay, 1).unwrap();
        let said =
            ["<svg", "LAX: 1 refused", "SFO: 0 refused", "capacity 1\n", "minutes", "every key"];
        for text in said {
            assert!(svg.contains(text), "{text} is missing");
        }
    }

    #[test]
    fn only_the_busiest_keys_are_drawn() {
        let lines: String = (0..9).map(|key| format!("1,join,{key},K{key}\n")).collect();
        let (keys, replay) = replayed(&lines, 1);
        let svg = draw(&keys, &replay, 1).unwrap();
        assert!(svg.contains("the 6 busiest of 9 keys"));
        assert_eq!(svg.matches(" refused").count(), 6);
    }

    #[test]
    fn a_limit_that_nobody_comes_near_does_not_flatten_the_picture() {
        let (keys, replay) = replayed("1,join,1,A\n2,join,2,A\n", 1_000);
        let svg = draw(&keys, &replay, 1_000).unwrap();
        let line = "stroke=\"#C8242B\"";
        assert!(svg.contains("capacity 1000 (far above the picture)"));
        assert!(!svg.contains(line), "the line is not drawn");
        let svg = draw(&keys, &replay, 8).unwrap();
        assert!(svg.contains(line), "the line is drawn");
    }
}
