//! The book: tables of requests and answers, and random histories against a naive second book.

mod capture;
mod model;
mod table;
