//! How many records there are where on a line of time, in bounded memory.
//!
//! A log is read once, and how long it is shows at its end. So the width of a column is a power of two of ticks, and is
//! doubled whenever the log has grown out of its columns: two columns then become one.

use std::collections::BTreeMap;

use irqlog_wire::record::Level;

/// The most columns that a line of time has.
pub const MOST_COLUMNS: i64 = 1024;

/// The most rows that have columns of their own; records of further ones are counted together.
pub const MOST_ROWS: usize = 512;

/// Where a record is on the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrackRow {
    /// Index of the processor.
    pub cpu: u16,
    /// IRQL of the caller; `None` for a record that is shown as one of an NMI.
    pub irql: Option<u8>,
}

/// The records in a column of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Number of records.
    pub count: u64,
    /// The most important level of them.
    pub level: Level,
}

impl Cell {
    const EMPTY: Self = Self { count: 0, level: Level(u8::MAX) };

    fn add(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.level = Level(self.level.0.min(other.level.0));
    }
}

/// Records by row and column.
#[derive(Clone, Debug, Default)]
pub struct Density {
    /// A column has that power of two of ticks.
    shift: u32,
    /// The first and the last column.
    columns: Option<(i64, i64)>,
    rows: BTreeMap<TrackRow, BTreeMap<i64, Cell>>,
    /// Records of rows beyond [`MOST_ROWS`].
    others: u64,
}

impl Density {
    /// Counts a record at a time in ticks.
    pub fn count(&mut self, row: TrackRow, time: i64, level: Level) {
        self.widen_for(time);
        if self.rows.len() >= MOST_ROWS && !self.rows.contains_key(&row) {
            self.others = self.others.saturating_add(1);
            return;
        }
        let cells = self.rows.entry(row).or_default();
        cells.entry(time >> self.shift).or_insert(Cell::EMPTY).add(Cell { count: 1, level });
    }

    /// Makes room for a time that is shown, though no record has it.
    pub fn widen_for(&mut self, time: i64) {
        loop {
            let column = time >> self.shift;
            let (first, last) = self.columns.unwrap_or((column, column));
            let (first, last) = (first.min(column), last.max(column));
            // An i128: the columns of a damaged log may lie as far apart as two numbers can.
            if i128::from(last) - i128::from(first) < i128::from(MOST_COLUMNS) {
                self.columns = Some((first, last));
                return;
            }
            self.double();
        }
    }

    /// Makes one column out of each two.
    fn double(&mut self) {
        self.shift += 1;
        self.columns = self.columns.map(|(first, last)| (first >> 1, last >> 1));
        for cells in self.rows.values_mut() {
            let mut wider: BTreeMap<i64, Cell> = BTreeMap::new();
            for (column, cell) in std::mem::take(cells) {
                wider.entry(column >> 1).or_insert(Cell::EMPTY).add(cell);
            }
            *cells = wider;
        }
    }

    /// The ticks of the first column's start and the last one's end; `None` if nothing was counted.
    pub fn range(&self) -> Option<(i128, i128)> {
        let (first, last) = self.columns?;
        Some((i128::from(first) << self.shift, (i128::from(last) + 1) << self.shift))
    }

    /// Ticks of a column.
    pub const fn column_ticks(&self) -> u64 {
        1 << self.shift
    }

    /// The rows: processors from low to high, and of each the NMI lane and then IRQLs from high to low. The cells are by
    /// column, counted from the first one.
    pub fn rows(&self) -> impl Iterator<Item = (TrackRow, impl Iterator<Item = (i64, Cell)>)> {
        let first = self.columns.map_or(0, |(first, _)| first);
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by_key(|(row, _)| (row.cpu, row.irql.map_or(0, |irql| 256 - u16::from(irql))));
        rows.into_iter()
            .map(move |(row, cells)| (*row, cells.iter().map(move |(column, cell)| (column - first, *cell))))
    }

    /// Records that are in none of the rows.
    pub const fn others(&self) -> u64 {
        self.others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: TrackRow = TrackRow { cpu: 0, irql: Some(0) };

    fn of(times: &[i64]) -> Density {
        let mut density = Density::default();
        for &time in times {
            density.count(ROW, time, Level::Info);
        }
        density
    }

    fn cells(density: &Density) -> Vec<(i64, u64)> {
        density.rows().flat_map(|(_, cells)| cells.map(|(column, cell)| (column, cell.count))).collect()
    }

    #[test]
    fn each_record_is_in_the_column_of_its_time() {
        assert_eq!(cells(&of(&[10, 10, 1033])), [(0, 2), (1023, 1)]);
        let wider = of(&[10, 10, 11, 1034]);
        assert_eq!((wider.column_ticks(), cells(&wider)), (2, vec![(0, 3), (512, 1)]));
        assert_eq!(wider.range(), Some((10, 1036)));
    }

    #[test]
    fn times_come_in_any_order_and_lie_anywhere() {
        let times = [0, -5_000_000, 7, i64::MAX, i64::MIN, 3, -1];
        let all = of(&times);
        assert_eq!(cells(&all).iter().map(|(_, count)| count).sum::<u64>(), 7);
        assert!(cells(&all).iter().all(|(column, _)| (0..MOST_COLUMNS).contains(column)));
        let (from, to) = all.range().unwrap();
        assert!(times.iter().all(|&time| (from..to).contains(&i128::from(time))));
        let mut sorted = times;
        sorted.sort_unstable();
        assert_eq!(cells(&of(&sorted)), cells(&all), "the order does not matter");
    }

    #[test]
    fn a_cell_has_the_most_important_level() {
        let mut density = Density::default();
        for level in [Level::Info, Level::Error, Level::Trace] {
            density.count(ROW, 5, level);
        }
        let levels: Vec<_> = density.rows().flat_map(|(_, cells)| cells.map(|(_, cell)| cell.level)).collect();
        assert_eq!(levels, [Level::Error]);
    }

    #[test]
    fn rows_are_by_processor_and_from_high_to_low() {
        let mut density = Density::default();
        for (cpu, irql) in [(1, Some(0)), (0, Some(2)), (0, None), (0, Some(15)), (0, Some(0))] {
            density.count(TrackRow { cpu, irql }, 0, Level::Info);
        }
        let rows: Vec<_> = density.rows().map(|(row, _)| (row.cpu, row.irql)).collect();
        assert_eq!(rows, [(0, None), (0, Some(15)), (0, Some(2)), (0, Some(0)), (1, Some(0))]);
    }

    #[test]
    fn more_rows_than_fit_are_counted() {
        let mut density = Density::default();
        for cpu in 0..1000 {
            density.count(TrackRow { cpu, irql: Some(0) }, 0, Level::Info);
        }
        assert_eq!((density.rows().count(), density.others()), (MOST_ROWS, 1000 - MOST_ROWS as u64));
    }
}
