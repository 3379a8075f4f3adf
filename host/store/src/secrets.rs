//! The vault keeps its sealed rows here.
