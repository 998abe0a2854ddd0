//! Both programs together, on tiny models, against numbers from transformers and PEFT.

mod bad_input;
mod numbers;
mod precision;
mod ranks;
mod stop;
mod stores;
