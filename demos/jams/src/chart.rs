//! The drawing: open jams over time against as many as full jams would be, how full the open jams
//! are, and what became of the members that came with the name of a jam.

use std::error::Error;

use plotters::prelude::*;

use crate::books::Late;
use crate::plan::Plan;
use crate::replay::{Reading, Replay};
use demo_common::drawing::{self, Area, Clock, Points, HEAD, PANEL_HEIGHT, WIDTH};

/// Columns of time; a longer replay is drawn in means.
const COLUMNS: usize = 400;
/// Bars of the members that came late.
const BARS: usize = 31;

const JAMS: RGBColor = RGBColor(0x2f, 0x6d, 0xb3);
const IF_FULL: RGBColor = RGBColor(0xc8, 0x24, 0x2b);
const FOUND: RGBColor = RGBColor(0x5a, 0x9e, 0x6f);
const FULL: RGBColor = RGBColor(0xf2, 0xb8, 0x5c);
const GONE: RGBColor = RGBColor(0x8d, 0x6c, 0xab);

/// Draws the replay, and returns the SVG.
pub(crate) fn draw(replay: &Replay, plan: &Plan) -> Result<String, Box<dyn Error>> {
    let clock = Clock::new(replay.readings.iter().map(|reading| reading.minute));
    let columns = columns(&replay.readings, &clock);
    let mut svg = String::new();
    {
        let size = (WIDTH, HEAD + 3 * PANEL_HEIGHT);
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE)?;
        let (head, body) = root.split_vertically(HEAD);
        let title = format!("Jams of {} over time", plan.seats);
        let legend = [
            (JAMS, false, "open jams".to_owned()),
            (IF_FULL, true, "jams if every seat were taken".to_owned()),
            (FOUND, false, "found the jam they were told of".to_owned()),
            (FULL, false, "it was full: sent on".to_owned()),
            (GONE, false, "it was gone: sent on".to_owned()),
        ];
        drawing::heading(&head, &title, &legend)?;
        let panels = body.split_evenly((3, 1));
        open(&panels[0], &clock, &columns, plan.seats)?;
        taken(&panels[1], &clock, &columns, plan.seats)?;
        late(&panels[2], &clock, &replay.late)?;
        root.present()?;
    }
    Ok(svg)
}

/// Time, and the means of jams and members about that time.
type Column = (f64, f64, f64);

/// Puts the readings into columns of equal width. A column without a reading shows the last one.
fn columns(readings: &[Reading], clock: &Clock) -> Vec<Column> {
    let width = (clock.end - clock.begin) / COLUMNS as f64;
    let mut readings = readings.iter().peekable();
    let (mut jams, mut members) = (0.0, 0.0);
    (0..=COLUMNS)
        .map(|column| {
            let begin = clock.begin + column as f64 * width;
            let (mut count, mut sums, mut last) = (0.0, (0.0, 0.0), None);
            while let Some(reading) = readings.next_if(|next| clock.at(next.minute) < begin + width)
            {
                count += 1.0;
                sums.0 += f64::from(reading.jams);
                sums.1 += f64::from(reading.members);
                last = Some(reading);
            }
            let mean = match last {
                None => (begin, jams, members),
                Some(_) => (begin, sums.0 / count, sums.1 / count),
            };
            if let Some(last) = last {
                (jams, members) = (last.jams.into(), last.members.into());
            }
            mean
        })
        .collect()
}

/// Draws the open jams, and how many they would be if every seat were taken.
fn open(
    area: &Area<'_>,
    clock: &Clock,
    columns: &[Column],
    seats: u32,
) -> Result<(), Box<dyn Error>> {
    let jams: Points = columns.iter().map(|&(at, jams, _)| (at, jams)).collect();
    let if_full: Points =
        columns.iter().map(|&(at, _, members)| (at, members / f64::from(seats))).collect();
    let top = 1.08 * jams.iter().map(|&(_, jams)| jams).fold(1.0, f64::max);
    let mut panel = drawing::panel(area, "Open jams", clock, ("jams", top))?;
    panel.draw_series(AreaSeries::new(jams, 0.0, JAMS).border_style(JAMS))?;
    panel.draw_series(LineSeries::new(if_full, IF_FULL.stroke_width(2)))?;
    Ok(())
}

/// Draws the share of the seats of open jams that are taken.
fn taken(
    area: &Area<'_>,
    clock: &Clock,
    columns: &[Column],
    seats: u32,
) -> Result<(), Box<dyn Error>> {
    let share = |&(at, jams, members): &Column| {
        (at, if jams > 0.0 { 100.0 * members / (jams * f64::from(seats)) } else { 0.0 })
    };
    let caption = "Seats taken in open jams";
    let mut panel = drawing::panel(area, caption, clock, ("per cent", 108.0))?;
    let taken = AreaSeries::new(columns.iter().map(share), 0.0, JAMS.mix(0.35));
    panel.draw_series(taken.border_style(JAMS))?;
    Ok(())
}

/// Draws the members that came late, in bars.
fn late(area: &Area<'_>, clock: &Clock, late: &[(u64, Late)]) -> Result<(), Box<dyn Error>> {
    let bars = bars(late, clock);
    let top = 1.08 * bars.iter().map(|bar| bar.iter().sum()).fold(1.0, f64::max);
    let caption = "Members who came with the name of a jam";
    let mut panel = drawing::panel(area, caption, clock, ("members", top))?;
    let width = (clock.end - clock.begin) / BARS as f64;
    for (number, bar) in bars.iter().enumerate() {
        let (left, mut bottom) = (clock.begin + number as f64 * width, 0.0);
        let stack = bar.iter().zip([FOUND, FULL, GONE]).map(|(members, color)| {
            let corners = [(left + 0.1 * width, bottom), (left + 0.9 * width, bottom + members)];
            bottom += members;
            Rectangle::new(corners, color.filled())
        });
        panel.draw_series(stack.collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Counts found, full and gone in each stretch of time.
fn bars(late: &[(u64, Late)], clock: &Clock) -> [[f64; 3]; BARS] {
    let mut bars = [[0.0; 3]; BARS];
    for &(minute, late) in late {
        let part = (clock.at(minute) - clock.begin) / (clock.end - clock.begin);
        bars[((part * BARS as f64) as usize).min(BARS - 1)][late as usize] += 1.0;
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_the_mean_of_its_readings_or_as_it_was() {
        let reading = |minute, jams, members| Reading { minute, jams, members };
        let readings =
            [reading(0, 1, 2), reading(1, 3, 4), reading(2_000, 5, 9), reading(4_000, 0, 0)];
        let clock = Clock::new(readings.iter().map(|reading| reading.minute));
        let columns = columns(&readings, &clock);
        let values: Vec<_> = columns.iter().map(|&(_, jams, members)| (jams, members)).collect();
        assert_eq!(values.len(), COLUMNS + 1);
        assert_eq!(values[0], (2.0, 3.0), "the mean of two");
        assert_eq!(values[1], (3.0, 4.0), "as it was last");
        assert_eq!(values[COLUMNS / 2], (5.0, 9.0));
        assert_eq!(values[COLUMNS], (0.0, 0.0));
    }

    #[test]
    fn every_late_member_is_in_a_bar() {
        let clock = Clock::new([0, 310].into_iter());
        let bars = bars(
            &[(0, Late::Found), (310, Late::Gone), (15, Late::Full), (15, Late::Full)],
            &clock,
        );
        assert_eq!(
            (bars[0], bars[1], bars[BARS - 1]),
            ([1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0])
        );
    }
}
