//! Rows as Apache Parquet: text as UTF-8, amounts as DECIMAL(38, 0) in minor units, times as nanoseconds in UTC, counts as 64 bits.
//! Row groups of a fixed size bound the memory. Nothing is compressed: a compressor would be one more dependency, and whoever keeps the file has one.

use std::io::{self, Write};
use std::mem::take;
use std::sync::{Arc, Mutex, PoisonError};

use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as PhysicalType};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};

use super::rows::{Cell, Column, Values};

/// Rows of a group: what is held in memory, and the least that a reader reads.
const GROUP_ROWS: usize = 65_536;

/// Digits and bytes of an amount: any i128.
const AMOUNT_DIGITS: i32 = 38;
const AMOUNT_BYTES: i32 = 16;

/// Rows on their way out.
pub(super) struct ParquetRows<'a> {
    out: &'a mut dyn Write,
    columns: &'static [Column],
    writer: SerializedFileWriter<Portion>,
    portion: Portion,
    rows: Vec<Vec<Cell>>,
    count: u64,
}

/// What the writer has made and nobody has taken yet: it wants a writer that may change threads, which standard output may not.
#[derive(Clone, Default)]
struct Portion(Arc<Mutex<Vec<u8>>>);

impl Portion {
    fn take(&self) -> Vec<u8> {
        take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Portion {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> ParquetRows<'a> {
    /// Begins a file.
    pub(super) fn begin(columns: &'static [Column], out: &'a mut dyn Write) -> io::Result<ParquetRows<'a>> {
        let portion = Portion::default();
        let properties = Arc::new(WriterProperties::builder().build());
        let writer = schema(columns)
            .and_then(|schema| SerializedFileWriter::new(portion.clone(), schema, properties))
            .map_err(io_error)?;
        Ok(ParquetRows { out, columns, writer, portion, rows: Vec::new(), count: 0 })
    }

    /// Adds a row, one cell a column.
    pub(super) fn push(&mut self, cells: &[Cell]) -> io::Result<()> {
        assert!(cells.len() == self.columns.len(), "a cell for each column");
        self.rows.push(cells.to_vec());
        self.count += 1;
        if self.rows.len() == GROUP_ROWS { self.write_group() } else { Ok(()) }
    }

    /// Ends the file. Returns how many rows there were.
    pub(super) fn end(mut self) -> io::Result<u64> {
        self.write_group()?;
        self.writer.finish().map_err(io_error)?;
        self.out.write_all(&self.portion.take())?;
        Ok(self.count)
    }

    fn write_group(&mut self) -> io::Result<()> {
        let rows = take(&mut self.rows);
        if rows.is_empty() {
            return Ok(());
        }
        let mut group = self.writer.next_row_group().map_err(io_error)?;
        for (place, column) in self.columns.iter().enumerate() {
            let cells = rows.iter().map(|row| &row[place]);
            match column.values {
                Values::Text => write_column::<ByteArrayType>(&mut group, cells, text_of),
                Values::Money => write_column::<FixedLenByteArrayType>(&mut group, cells, amount_of),
                Values::Count | Values::Time => write_column::<Int64Type>(&mut group, cells, number_of),
            }
            .map_err(io_error)?;
        }
        group.close().map_err(io_error)?;
        self.out.write_all(&self.portion.take())
    }
}

fn io_error(error: ParquetError) -> io::Error {
    io::Error::other(error)
}

fn schema(columns: &[Column]) -> Result<TypePtr, ParquetError> {
    let fields = columns.iter().map(|column| {
        let (physical, logical) = match column.values {
            Values::Text => (PhysicalType::BYTE_ARRAY, LogicalType::String),
            Values::Count => (PhysicalType::INT64, LogicalType::integer(64, false)),
            Values::Time => (PhysicalType::INT64, LogicalType::timestamp(true, TimeUnit::NANOS)),
            Values::Money => (PhysicalType::FIXED_LEN_BYTE_ARRAY, LogicalType::decimal(0, AMOUNT_DIGITS)),
        };
        let field = Type::primitive_type_builder(column.key, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(Some(logical));
        let field = if column.values == Values::Money {
            field.with_length(AMOUNT_BYTES).with_precision(AMOUNT_DIGITS).with_scale(0)
        } else {
            field
        };
        field.build().map(Arc::new)
    });
    let fields = fields.collect::<Result<Vec<_>, _>>()?;
    Type::group_type_builder("rows").with_fields(fields).build().map(Arc::new)
}

/// Writes the next column of a group: which cells hold something, and what.
fn write_column<'c, T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Portion>,
    cells: impl Iterator<Item = &'c Cell>,
    value_of: impl Fn(&Cell) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("more columns than the schema has".to_owned()));
    };
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    for cell in cells {
        let value = value_of(cell);
        levels.push(i16::from(value.is_some()));
        values.extend(value);
    }
    column.typed::<T>().write_batch(&values, Some(&levels), None)?;
    column.close()
}

fn text_of(cell: &Cell) -> Option<ByteArray> {
    match cell {
        Cell::Text(text) => Some(ByteArray::from(text.as_str())),
        Cell::Count(_) | Cell::Money(..) | Cell::Time(_) | Cell::Nothing => None,
    }
}

fn amount_of(cell: &Cell) -> Option<FixedLenByteArray> {
    match cell {
        Cell::Money(minor_units, _) => Some(minor_units.to_be_bytes().to_vec().into()),
        Cell::Text(_) | Cell::Count(_) | Cell::Time(_) | Cell::Nothing => None,
    }
}

/// Counts and journal times are far below 2^63.
fn number_of(cell: &Cell) -> Option<i64> {
    match cell {
        Cell::Count(number) | Cell::Time(number) => Some(i64::try_from(*number).unwrap_or(i64::MAX)),
        Cell::Text(_) | Cell::Money(..) | Cell::Nothing => None,
    }
}
