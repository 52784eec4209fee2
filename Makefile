# Every target sets up what it needs, says what it does, and does nothing twice. `make` alone lists them.
#
# NOISEBOOK_VENV     the Python environment (.venv)
# CARGO_TARGET_DIR   what cargo builds, and the demo's pages (target)
# LIBTORCH           a libtorch 2.11.0 of your own; else one is found or installed
# PYTHON             the Python to start from (python3)

VENV := $(if $(NOISEBOOK_VENV),$(NOISEBOOK_VENV),$(CURDIR)/.venv)
TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),$(CURDIR)/target)
export CARGO_TARGET_DIR := $(TARGET)
PYTHON ?= python3

NOISEBOOK := "$(TARGET)/debug/noisebook"

ENV := . "$(VENV)/noisebook.env" &&
SLOW_TESTS = $(ENV) cargo test --locked --all-features --test two_modes --test moons -- --ignored
NOTEBOOKS = python tests/notebooks/run.py "$(TARGET)/notebooks"
# Of every training but the first notebook's, which is whole, so many steps.
QUICK = NOISEBOOK_STEPS=60
# Notebooks, each with the code cell at which its picture begins.
SCREENSHOTS = notebooks/01-first-diffusion.ipynb=12 notebooks/04-denoisers-and-scores.ipynb=19 notebooks/06-samplers.ipynb=16
say = @printf '\n==> %s\n' $(1)
missing = $(shell sh scripts/check_system.sh "$(PYTHON)" 2>&1)

.PHONY: help demo test test-slow test-notebooks test-browser notebooks screenshots stress-training gallery bench bench-figures bench-samplers compare-training lab install doctor bench-kernel stress-kernel clean setup build kernel
.NOTPARALLEL:

help:
	@echo "make demo      run notebooks/01-first-diffusion.ipynb on our kernel; writes target/demo/ (3 minutes after set-up)"
	@echo "make lab       open JupyterLab on notebooks/, with the kernel"
	@echo "make install   put the kernel into your own Jupyter"
	@echo "make doctor    look at all that the kernel needs, and say how to mend what is amiss"
	@echo "make test      everything that must hold: formatting, lints, docs, licences, tests, the notebook"
	@echo "make notebooks run the whole course and save it with its outputs (20 minutes)"
	@echo "make test-browser  look at the saved course and the live figure in JupyterLab with Chromium"
	@echo "make bench     train and sample here and in PyTorch, in turn, and print the ratios (15 minutes)"
	@echo "make bench-kernel  measure the kernel beside the stock Rust kernel (20 minutes)"
	@echo "make gallery         draws every figure into docs/gallery.md (two minutes)"
	@echo "make bench-figures   how long figures take to draw (seconds)"
	@echo "make bench-samplers  what each sampler costs beside its network (a minute)"
	@echo "make compare-training  the loss curves of one recipe here and in PyTorch (10 minutes)"
	@echo "make clean     delete what the other targets made"
	@echo
	@echo "The first of them sets up: 15 to 30 minutes on two cores, about 10 GB of disk. After that it takes seconds."

demo: kernel
	$(call say,"Running the first notebook$(comma) about 3 minutes on two cores")
	@$(ENV) python scripts/run_notebook.py notebooks/01-first-diffusion.ipynb "$(TARGET)/demo"

lab: kernel
	$(call say,"Opening JupyterLab on notebooks/; stop it with Ctrl-C")
	@$(ENV) jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks

install: build
	$(call say,"Installing the kernel into your Jupyter")
	@$(ENV) $(NOISEBOOK) install
	@echo "Choose 'Rust (noisebook)' in JupyterLab or VS Code."

doctor: build
	@$(ENV) $(NOISEBOOK) doctor

# docs/kernel.md holds the table of the last time. Without the stock kernel ours alone is measured.
bench-kernel: kernel
	$(call say,"Building the stock kernel beside ours (a minute; a network is needed the first time)")
	-@$(ENV) sh scripts/stock_kernel.sh "$(TARGET)"
	$(call say,"Measuring$(comma) about 20 minutes: the stock kernel builds the crate in its session")
	@$(ENV) python scripts/bench_kernel.py --with-crate "$(TARGET)/debug/stock-kernel"

test: kernel
	$(call say,"1/9 formatting")
	@cargo fmt --check
	$(call say,"2/9 lints (5 minutes the first time)")
	@$(ENV) cargo clippy --locked --all-targets --all-features -- -D warnings
	$(call say,"3/9 documentation")
	@$(ENV) RUSTDOCFLAGS="-D warnings" cargo doc --locked --all-features --no-deps
	$(call say,"4/9 licences and sources of the dependencies")
	@$(ENV) python scripts/check_dependencies.py
	$(call say,"5/9 the scripts that make calls")
	@$(ENV) python tests/scripts/test_scripts.py
	$(call say,"6/9 unit$(comma) integration and documentation tests (5 minutes the first time)")
	@$(ENV) cargo test --locked --all-features
	$(call say,"7/9 slow tests: samplers beside the truth$(comma) a learned score and density (2 minutes)")
	@$(SLOW_TESTS)
	$(call say,"8/9 Jupyter's own tests of a kernel")
	@$(ENV) python -m unittest tests/conformance/test_kernel.py
	$(call say,"9/9 the course$(comma) with fewer steps (6 minutes)")
	@$(ENV) $(QUICK) $(NOTEBOOKS)

# What a kernel goes through in a bad week; half an hour.
stress-kernel: kernel
	@$(ENV) python tests/conformance/stress_kernel.py

# What takes longer than a test should; part of make test.
test-slow: build
	@$(SLOW_TESTS)

# A training that is killed a hundred times at random moments, and ends where one that nobody kills does; two minutes.
stress-training: build
	@$(ENV) cargo test --locked --test nothing_lost -- --ignored --nocapture

# docs/performance.md holds the table of the last time. Best on a machine that does nothing else.
bench: setup
	@$(ENV) cargo build --locked --example speed
	@$(ENV) python scripts/bench_speed.py "$(TARGET)/debug/examples/speed"

# Wall time of every sampler beside its network's: the article's at 32 px. Best on a machine that does nothing else.
bench-samplers: setup
	@$(ENV) cargo run --locked --example sampler_overhead

# Milliseconds of drawing: a grid of 64 images, a curve of 10,000 points, what a live figure draws again and again.
bench-figures: setup
	@$(ENV) cargo run --locked --example bench_figures

# Draws every figure into docs/gallery.md; two minutes on two cores.
gallery: setup
	@$(ENV) cargo run --locked --example gallery

# The same recipe here and in PyTorch, three seeds each: ten minutes.
compare-training: setup
	@$(ENV) cargo build --locked --example training_losses
	@$(ENV) python tests/parity/training.py "$(TARGET)/debug/examples/training_losses" docs/images/training-parity.svg

# The whole course as a reader runs it, saved with its outputs where every number is right.
notebooks: kernel
	$(call say,"Running all notebooks and solutions whole$(comma) 20 minutes on two cores")
	@$(ENV) $(NOTEBOOKS) --save

# JupyterLab in a headless Chromium.
test-browser: kernel
	$(call say,"The saved course and the live figure in JupyterLab$(comma) as a browser shows them")
	@$(ENV) pip install --quiet --disable-pip-version-check -r tests/browser/requirements.txt
	@$(ENV) python -W ignore::ResourceWarning -m unittest discover --start-directory tests/browser

# Of the saved notebooks, for docs/.
screenshots: kernel
	@$(ENV) pip install --quiet --disable-pip-version-check -r tests/browser/requirements.txt
	@$(ENV) python tests/browser/screenshots.py docs/images $(SCREENSHOTS)

test-notebooks: kernel
	@$(ENV) $(QUICK) $(NOTEBOOKS)

# A target folder that was named may hold other projects too: of that one, only what is ours goes.
clean:
ifeq ($(TARGET),$(CURDIR)/target)
	rm -rf target
else
	rm -rf "$(TARGET)/demo"
	cargo clean -p noisebook
endif
ifeq ($(VENV),$(CURDIR)/.venv)
	rm -rf .venv
endif

setup:
	@$(if $(missing),$(error $(missing)))
	@sh scripts/setup.sh "$(VENV)" "$(PYTHON)"

build: setup
	$(call say,"Building the crate and the kernel (12 to 20 minutes the first time$(comma) seconds later)")
	@$(ENV) cargo build --locked --features kernel
	@ln -sf "$$(cd "$(TARGET)" && pwd)/debug/noisebook" "$(VENV)/bin/noisebook"

# The kernelspec of this clone stays in its environment: only `make install` writes to the user's Jupyter. This prepares the
# build that every session starts from, too.
kernel: build
	$(call say,"Registering this clone's kernel and preparing its notebook build (5 minutes the first time)")
	@$(ENV) $(NOISEBOOK) install --prefix "$(VENV)"

comma := ,
