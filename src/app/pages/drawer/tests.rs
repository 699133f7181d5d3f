//! What a person does in the drawer, by accessible name.
