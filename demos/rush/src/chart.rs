//! The drawing: occupancy over time against the capacity, a panel for each of the busiest keys.

use std::error::Error;

use plotters::prelude::*;

use crate::books::busiest;
use crate::replay::{Move, Replay};
use demo_common::drawing::{self, Area, Clock, Points, HEAD, PANEL_HEIGHT, WIDTH};
use demo_common::table::grouped;
use demo_common::trace::Kind;

/// Keys that are drawn; the table has them all.
const PANELS: usize = 6;

const ASKED: RGBColor = RGBColor(0xf2, 0xb8, 0x5c);
const INSIDE: RGBColor = RGBColor(0x2f, 0x6d, 0xb3);
const LIMIT: RGBColor = RGBColor(0xc8, 0x24, 0x2b);

/// Draws the replay, and returns the SVG.
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
        let clock = Clock::new(replay.moves.iter().map(|made| made.minute));
        let panels: Vec<Panel> =
            drawn.iter().map(|&key| Panel::new(key, &keys[key], replay, &clock)).collect();
        let top = top(&panels, capacity);
        let which = if panels.len() < keys.len() {
            format!("the {} busiest of {} keys", panels.len(), grouped(keys.len() as u64))
        } else {
            "every key".to_owned()
        };
        let above = if f64::from(capacity) <= top { "" } else { " (far above the picture)" };
        let legend = [
            (INSIDE, false, "inside".to_owned()),
            (ASKED, false, "would be inside without a limit".to_owned()),
            (LIMIT, true, format!("capacity {capacity}{above}")),
        ];
        let title = format!("Occupancy over time against the capacity, {which}");
        drawing::heading(&head, &title, &legend)?;
        for (panel, area) in panels.into_iter().zip(body.split_evenly((rows, columns))) {
            panel.draw(&area, &clock, capacity, top)?;
        }
        root.present()?;
    }
    Ok(svg)
}

/// Returns the top of all panels: they share one, so that they can be compared. A capacity far
/// above the highest occupancy would flatten the picture, and is left out.
fn top(panels: &[Panel], capacity: u32) -> f64 {
    let asking = panels.iter().flat_map(|panel| &panel.asked).map(|&(_, asking)| asking);
    let (highest, limit) = (asking.fold(1.0, f64::max), f64::from(capacity));
    1.08 * if limit <= 4.0 * highest { highest.max(limit) } else { highest }
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
        let mut chart = drawing::panel(area, &self.caption, clock, ("inside", top))?;
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

/// Returns how many members are inside after each move, as a line with a step at each change.
fn staircase<'a>(moves: impl Iterator<Item = &'a Move>, clock: &Clock) -> Points {
    let (mut points, mut asking) = (vec![(clock.begin, 0.0)], 0.0);
    for made in moves {
        let at = clock.at(made.minute);
        points.push((at, asking));
        asking += match made.kind {
            Kind::Join => 1.0,
            Kind::Leave => -1.0,
        };
        points.push((at, asking));
    }
    points.push((clock.end, asking));
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay;
    use demo_common::progress::ProgressBar;
    use demo_common::trace;

    fn replayed(lines: &str, capacity: u32) -> (Vec<String>, Replay) {
        let text = format!("minute,event,member,key\n{lines}");
        let trace = trace::parse(text.as_bytes()).unwrap();
        let replay = replay::run(&trace, capacity, 2, &ProgressBar::hidden());
        (trace.keys, replay)
    }

    #[test]
    fn the_staircase_steps_where_a_member_comes_or_goes() {
        let (_, replay) = replayed("10,join,1,A\n12,join,2,A\n15,leave,1,A\n20,join,3,B\n", 5);
        let clock = Clock::new(replay.moves.iter().map(|made| made.minute));
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
    fn a_limit_far_above_the_occupancy_does_not_flatten_the_picture() {
        let (keys, replay) = replayed("1,join,1,A\n2,join,2,A\n", 1_000);
        let svg = draw(&keys, &replay, 1_000).unwrap();
        let line = "stroke=\"#C8242B\"";
        assert!(svg.contains("capacity 1000 (far above the picture)"));
        assert!(!svg.contains(line), "the line is not drawn");
        let svg = draw(&keys, &replay, 8).unwrap();
        assert!(svg.contains(line), "the line is drawn");
    }
}
