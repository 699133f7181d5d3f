//! Trimtab: a workbench for training models that are small and fast.
//!
//! The map, from plain data to the doors. Each room's own `//!` says why it exists.
//!
//! | room | what lives there |
//! |---|---|
//! | [`spec`] | plain data that every room shares: configuration, plan, model description, events, runs |
//! | [`cost`] | arithmetic over a model description: parameters, multiply-adds, the memory ledger |
//! | [`data`] | bytes to samples to batches: shipped sets, generators, importers, splits |
//! | [`kernels`] | fast primitives with a plain twin of each |
//! | [`meter`] | what is measured about the process: heap, resident size, paired timing |
//! | [`runtime`] | ONNX bytes to a model that runs |
//! | [`nn`] | a model description to a burn module, weights in and out |
//! | [`inspect`] | what can be seen in a network: answers, worst samples, decision surface, histograms |
//! | [`classic`] | the classical baselines behind one small trait |
//! | [`train`] | the loop: optimizers, schedules, early stopping, checkpoints, evaluation |
//! | [`deploy`] | weights to ONNX bytes and the bundle; the only maker of measured figures |
//! | [`compress`] | prune and quantize |
//! | [`store`] | the database of runs and the artifact files |
//! | [`timeline`] | pure folds from events to what is shown |
//! | [`compare`] | deltas to a baseline and verdicts |
//! | [`advice`] | which architecture for which data, what a curve says, notes on every knob: rules as data |
//! | [`jobs`] | worker threads, queue, control, sinks: the only room that joins engine and store |
//! | [`cli`] | the command line |
//! | [`app`] | the window |
//!
//! `tests/it/architecture.rs` checks who may use whom.
//! What is deliberately absent: no room but [`app`] knows the window, and nothing but [`deploy`] makes a measured figure.
#![deny(unsafe_code)]

pub mod advice;
pub mod app;
pub mod classic;
pub mod cli;
pub mod compare;
pub mod compress;
pub mod cost;
pub mod data;
pub mod deploy;
pub mod inspect;
pub mod jobs;
pub mod kernels;
pub mod meter;
pub mod nn;
pub mod runtime;
pub mod spec;
pub mod store;
pub mod timeline;
pub mod train;

#[global_allocator]
static ALLOCATOR: meter::alloc::CountingAllocator = meter::alloc::CountingAllocator;
