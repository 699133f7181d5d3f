//! What a person does on the page, by accessible name.
