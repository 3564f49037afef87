# The root file system of the containers. Not in a synced folder: those cannot hold devices.
ROOTFS ?= /var/lib/container-workshop/rootfs
# The step. Without one, run runs the last step, and the coach takes the step that you are at.
STEP ?=
# Flags of run, as for FLAGS='--memory 128m', or of the tests in a virtual machine, as for FLAGS='-test.run TestX'.
FLAGS ?=
# The machines of test-vm and test-systemd.
LAYOUT ?= v2
ARCH ?= amd64
# What test-systemd tests: podman, containerd or docker, or systemd alone.
ENGINE ?=

export ROOTFS
export CGO_ENABLED := 0
# The commit is of no use in the programs, and where git refuses to read the folder, go build would fail.
export GOFLAGS := $(GOFLAGS) -buildvcs=false
# As it is: make would read $$ in it.
override CMD := $(value CMD)
export CMD

SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)
wanted = $(or $(STEP),7)
step = $(if $(filter final,$(wanted)),final,$(wildcard step0$(wanted)-*))
# What make run is about: your own program, or the step itself.
program = $(or $(DIR),$(step))
package = $(if $(filter /%,$(program)),,./)$(program)
executable = build/$(if $(DIR),program,$(step))
# Step 4 is the first with a root file system. Without STEP, the program in DIR may be of an earlier step.
rootfs_flag = $(if $(filter 4 5 6 7 final,$(if $(DIR),$(STEP),$(wanted))),--rootfs "$(ROOTFS)")
coach = build/coach $@ --step "$(STEP)" --dir "$(DIR)" --rootfs "$(ROOTFS)"
# Below the recipe of what a learner types. On a terminal the coach has said all there is to say, and make ends well, because
# it would add a line of its own (make: *** [check] Error 1). Elsewhere make fails as the coach does.
quietly = || [ -t 1 ]
# All but work/, which is the learner's.
packages = ./step0*/ ./step04-chroot/escape/ ./final/... ./internal/... ./scripts/ ./vm/
ACTIONLINT := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.DEFAULT_GOAL := help
.PHONY: help run rootfs start watch check hint diff stretch progress doctor test test-docs test-vm test-systemd conformance test-podman test-containerd test-docker test-runc packages bench diffs casts lint clean need-go need-step need-rootfs

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "With STEP=1 to 7 (run: or final), ROOTFS=dir, DIR=work/mine, CMD='ps -e', FLAGS='--memory 128m', FROM=ubuntu.tar (start: FROM=work/mine)"

run: need-go need-step $(if $(rootfs_flag),need-rootfs) ## Run bash, or CMD, in a container of the last step, of STEP, or of your program in DIR
	@go build -o $(executable) $(package)
	@if [ -n "$$CMD" ]; then \
		$(SUDO) $(executable) run $(rootfs_flag) $(FLAGS) /bin/bash -c "$$CMD"; \
	else \
		$(SUDO) $(executable) run $(rootfs_flag) $(FLAGS) /bin/bash || [ $$? != 125 ]; \
	fi

rootfs: ## Make the root file system: this host's distribution, or what is in FROM
	@$(SUDO) scripts/rootfs.sh "$(ROOTFS)" $(if $(FROM),"$(FROM)")

start: coach ## Start your own program in DIR, or go on with the next step
	@$(coach) --from "$(FROM)" $(quietly)

watch: coach examiner ## Check your program at each save, with keys for hints and more
	@$(coach) $(if $(ALL),--all) $(if $(V),--verbose) $(quietly)

check: coach examiner ## Check your program once: what to see to first, with V=1 everything, with ALL=1 the older steps too
	@$(coach) $(if $(ALL),--all) $(if $(V),--verbose) $(quietly)

hint: coach ## Print the next of three hints for your step, or the one that LEVEL names
	@$(coach) --level "$(LEVEL)" $(quietly)

diff: coach examiner ## Compare the kernel calls of your program with ours, or show what STEP adds to the step before
	@$(coach) $(quietly)

stretch: coach examiner ## Check which of the two exercises beyond your step your program solves
	@$(coach) $(quietly)

progress: coach ## Show how far you are; with RESET=1 begin anew
	@$(coach) $(if $(RESET),--reset) $(quietly)

.PHONY: coach examiner
coach: need-go
	@go build -o build/coach ./internal/coach/cmd

examiner: need-go
	@go build -o build/check ./internal/check/cmd

doctor: ## Say whether this machine can do the workshop, and what to do if not
	@scripts/doctor.sh "$(ROOTFS)" $(quietly)

test: need-go need-rootfs ## Run all tests, as root
	@scripts/test.sh

test-docs: need-go need-rootfs ## Run every command of the lessons, and look at the rest of their text, as root
	@go test -count=1 $(if $(SUDO),-exec "sudo env PATH=$$PATH:/usr/sbin:/sbin HOME=$$HOME 'ROOTFS=$(ROOTFS)'") ./internal/lesson

test-vm: need-go ## Run the tests in virtual machines with cgroups of LAYOUT (v2, hybrid, v1), for ARCH
	@vm/test.sh "$(LAYOUT)" "$(ARCH)" $(or $(FLAGS),-test.short)

test-systemd: need-go ## Run the tests that need systemd, or those of ENGINE, in a virtual machine with cgroups of LAYOUT
	@ENGINE_PACKAGES="$($(ENGINE)_packages)" vm/systemd.sh "$(LAYOUT)" "$(ENGINE)" $(FLAGS)

conformance: need-go ## Run the validation suite of the OCI against final, as root, and write final/CONFORMANCE.md
	@go build -o build/final ./final
	@go build -o build/conformance/run ./internal/conformance
	@build/conformance/run --build
	@$(SUDO) build/conformance/run --runtime build/final --table final/CONFORMANCE.md

test-podman: ## Run podman on final, or on RUNTIME, as root

test-containerd: ## Run containerd, by ctr and as Kubernetes does, on final, or on RUNTIME, as root

test-docker: ## Run docker on final, or on RUNTIME, as root

podman_packages = podman conmon crun catatonit busybox-static
containerd_packages = containerd busybox-static
docker_packages = docker.io iptables busybox-static
podman_tests = Podman
containerd_tests = Containerd
docker_tests = Docker
# The daemons need not run, and are not used: the tests start their own, with all that they keep in a place of their own.
test-podman test-containerd test-docker: test-%: need-go need-rootfs
	@set -- $($*_packages); dpkg -s "$$@" >/dev/null 2>&1 || { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends "$$@"; }
	@go build -o build/final ./final
	@RUNTIME="$(or $(RUNTIME),$(CURDIR)/build/final)"; export RUNTIME; \
	go test -tags engines -count=1 -run '^Test(Session|Terminal|$($*_tests))' $(if $(SUDO),-exec "sudo env PATH=$$PATH:/usr/sbin:/sbin HOME=$$HOME ROOTFS=$$ROOTFS RUNTIME=$$RUNTIME") ./internal/engine

test-runc: need-go need-rootfs ## Run the integration tests of runc on final, as root; with FILES='exec.bats tty.bats' some of them
	@go build -o build/final ./final
	@$(SUDO) $(if $(SUDO),env PATH=$$PATH:/usr/sbin:/sbin HOME=$$HOME ROOTFS=$$ROOTFS) scripts/runc-suite.sh build/final $(FILES)

packages: ## Install what the tests use, by apt
	@. /etc/os-release; set -- busybox-static codespell diffutils hostname mmdebstrap mount procps ruby shellcheck sudo unzip zip zstd; \
	[ "$$ID" = ubuntu ] || set -- "$$@" vagrant vagrant-libvirt; \
	dpkg -s "$$@" >/dev/null 2>&1 || { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends "$$@"; }

bench: need-go need-rootfs ## Time a container of final, and of crun and runc where they are, as root
	@go test ./final -run - -bench Start -benchtime 100x -count 3

lint: need-go ## Look for mistakes without running anything
	@unformatted=$$(gofmt -l step0* final internal scripts vm) && { [ -z "$$unformatted" ] || { echo "gofmt: $$unformatted" >&2; false; }; }
	go vet $(packages)
	GOARCH=arm64 go vet $(packages)
	GOOS=darwin go vet ./step0*/ ./final
	go run $(STATICCHECK) $(packages)
	go vet -tags engines ./internal/engine
	go run $(STATICCHECK) -tags engines ./internal/engine
	shellcheck scripts/*.sh vm/*.sh vm/init .ci/run
	codespell --ignore-words-list upto,sise --skip .git,build,work,testdata,go.sum,*.cast,*.svg
	go run $(ACTIONLINT)
	GOARCH=arm64 go build -o build/arm64/ $(packages)

diffs: need-go ## Write the diffs, pictures and tables of the lessons anew, from the programs
	@go run ./internal/lesson/cmd generate README.md step0*/README.md

casts: need-go need-rootfs ## Record the terminals of the lessons anew, as root
	@go build -o build/lesson ./internal/lesson/cmd
	@$(SUDO) env PATH="$$PATH:/usr/sbin:/sbin" HOME="$$HOME" ROOTFS="$(ROOTFS)" build/lesson record step0*/README.md

clean: ## Remove what make has built, but for the root file system
	rm -rf build

need-go:
	@command -v go >/dev/null || { echo "There is no Go here. What to do about it: make doctor" >&2; exit 1; }

need-step:
	@[ -n "$(step)" ] || { echo "STEP=$(STEP): there is no such step (1 to 7, final to run)" >&2; exit 1; }

need-rootfs:
	@[ -e "$(ROOTFS)" ] || $(SUDO) scripts/rootfs.sh "$(ROOTFS)"
