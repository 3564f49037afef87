# The root file system of the containers. It cannot be in a synced folder, which holds no device nodes.
ROOTFS ?= /var/lib/container-workshop/rootfs
# The step. Without STEP, make run takes step 7, and the coach takes the step that you are at.
STEP ?=
# The address of the web pages. A virtual machine sets its own, because the port of the pages is forwarded to the host.
ADDRESS ?= $(or $(WORKSHOP_ADDRESS),127.0.0.1:8015)
# Flags for run, such as FLAGS='--memory 128m', or for the tests in a virtual machine, such as FLAGS='-test.run TestX'.
FLAGS ?=
# The cgroup layout and the architecture of the machines of test-vm and test-systemd.
LAYOUT ?= v2
ARCH ?= amd64
# test-systemd tests this engine: podman, podman-rootless, containerd or docker. Without ENGINE it tests systemd alone.
ENGINE ?=

export ROOTFS
export CGO_ENABLED := 0
# The programs do not need the commit in them, and go build would fail if git refuses to read the folder.
export GOFLAGS := $(GOFLAGS) -buildvcs=false
# Take the text of CMD literally: make would expand a $$ in it.
override CMD := $(value CMD)
export CMD

SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)
# sudo has its own PATH, without Go. Programs that root runs get yours.
as_root = $(if $(SUDO),sudo env 'PATH=$(PATH):/usr/sbin:/sbin' 'HOME=$(HOME)' 'ROOTFS=$(ROOTFS)')
# $(call install,PACKAGES) installs those that are missing.
install = dpkg -s $(1) >/dev/null 2>&1 || { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends $(1); }
wanted = $(or $(STEP),7)
step = $(if $(filter final,$(wanted)),final,$(wildcard step0$(wanted)-*))
# make run runs your own program, or the step itself.
program = $(or $(DIR),$(step))
package = $(if $(filter /%,$(program)),,./)$(program)
executable = build/$(if $(DIR),program,$(step))
# Steps have a root file system from step 4 on. Without STEP, the program in DIR may be of an earlier step.
rootfs_flag = $(if $(filter 4 5 6 7 final,$(if $(DIR),$(STEP),$(wanted))),--rootfs "$(ROOTFS)")
coach = build/coach $@ --step "$(STEP)" --dir "$(DIR)" --rootfs "$(ROOTFS)"
# Recipes for learners end with this. On a terminal the coach has said everything, so make succeeds: otherwise it would add a line of
# its own (make: *** [check] Error 1). Anywhere else make fails if the coach does.
quietly = || [ -t 1 ]
# All packages but those in work/, which belong to the learner.
packages = ./step0*/ ./step04-chroot/escape/ ./final/... ./internal/... ./scripts/ ./vm/
ACTIONLINT := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.DEFAULT_GOAL := help
.PHONY: help run rootfs start watch check hint diff stretch progress doctor site test test-docs test-site test-vm test-systemd conformance compare test-podman test-podman-rootless test-containerd test-docker test-cri test-kubernetes cluster test-runc test-layers packages bench diffs casts lint clean need-linux need-go need-npm need-chromium need-step need-rootfs

##@ The workshop

help: ## List the targets
	@awk -F ':.*## ' '/^##@ / { printf "%s%s\n", blank, substr($$0, 5); blank = "\n" } /^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "With STEP=1 to 7 (run: or final), ROOTFS=dir, DIR=work/mine, CMD='ps -e', FLAGS='--memory 128m', FROM=ubuntu.tar (start: FROM=work/mine)"

run: need-go need-step $(if $(rootfs_flag),need-rootfs) ## Run a shell, or CMD, in a container of step 7, of STEP, or of your program in DIR
	@go build -o $(executable) $(package)
	$(if $(filter final,$(wanted)),@go build -o build/final-helper ./final/helper/cmd)
	@if [ -n "$$CMD" ]; then \
		$(SUDO) $(executable) run $(rootfs_flag) $(FLAGS) /bin/bash -c "$$CMD"; \
	else \
		$(SUDO) $(executable) run $(rootfs_flag) $(FLAGS) /bin/bash || [ $$? != 125 ]; \
	fi

rootfs: ## Make the root file system from your distribution, or from the archive FROM
	@$(SUDO) scripts/rootfs.sh "$(ROOTFS)" $(if $(FROM),"$(FROM)")

doctor: ## Check whether this machine can run the workshop, and say how to repair it
	@scripts/doctor.sh "$(ROOTFS)" $(quietly)

##@ Your own program

start: coach ## Start your own program in work/mine, or go on with the next step
	@$(coach) --from "$(FROM)" $(quietly)

watch: coach examiner ## Check your program at every save, with keys for hints and more
	@$(coach) $(if $(ALL),--all) $(if $(V),--verbose) $(quietly)

check: coach examiner ## Check your program once. V=1 shows every property, ALL=1 checks the earlier steps in full, too
	@$(coach) $(if $(ALL),--all) $(if $(V),--verbose) $(quietly)

hint: coach ## Print the next of three hints for your step, or hint number LEVEL
	@$(coach) --level "$(LEVEL)" $(quietly)

diff: coach examiner ## Compare the kernel calls of your program with ours, or show what our program adds in STEP
	@$(coach) $(quietly)

stretch: coach examiner ## Check the exercises that go beyond your step
	@$(coach) $(quietly)

progress: coach ## Show how far you are. RESET=1 begins again
	@$(coach) $(if $(RESET),--reset) $(quietly)

.PHONY: coach examiner
coach: need-linux need-go
	@go build -o build/coach ./internal/coach/cmd

examiner: need-linux need-go
	@go build -o build/check ./internal/check/cmd

##@ The workshop as a web page

site: need-go need-npm ## Write the web pages of the workshop into build/site
	@go run ./internal/site/cmd build build/site

# The pages are written again if a file that they are made of is newer.
build/site/index.html: $(wildcard *.md step0*/* final/* final/*/*.go final/*/*/*.go internal/site/* internal/site/look/*)
	@$(MAKE) --no-print-directory site || { go run ./internal/site/cmd pages build/site && \
		echo "The pages are without search and recordings, because of the above. Later, make site adds them." >&2; } || { [ -e $@ ] && \
		echo "The pages stay as they were, because of the above." >&2; }

.PHONY: serve
serve: need-go build/site/index.html ## Show the web pages at http://127.0.0.1:8015, or at ADDRESS=127.0.0.1:8080, with your progress, live
	@go build -o build/pages ./internal/site/cmd
	@build/pages serve "$(ADDRESS)" $(quietly)

##@ To change the workshop itself

test: need-go need-rootfs ## Run all tests, as root
	@scripts/test.sh

test-docs: need-go need-rootfs ## Run every command of the lessons, and check their text, as root
	@go test -count=1 $(if $(SUDO),-exec "$(as_root)") ./internal/lesson

test-site: site need-chromium ## Run the tests of the web pages in Chromium
	@CHROMIUM="$(chromium)" go test -tags browser -count=1 -timeout 40m $(FLAGS) ./internal/site/browser

test-vm: need-go ## Run the tests in virtual machines with the cgroups of LAYOUT (v2, hybrid, v1), for ARCH
	@vm/test.sh "$(LAYOUT)" "$(ARCH)" $(or $(FLAGS),-test.short)

test-systemd: need-go ## Run the tests of systemd, or of ENGINE, in a virtual machine with the cgroups of LAYOUT
	@ENGINE_PACKAGES="$($(ENGINE)_packages)" vm/systemd.sh "$(LAYOUT)" "$(ENGINE)" $(FLAGS)

conformance: need-go ## Run the validation suite of the OCI on final, as root, and write final/CONFORMANCE.md
	$(build_final)
	@go build -o build/conformance/run ./internal/conformance
	@build/conformance/run --build
	@$(SUDO) build/conformance/run --runtime build/final --table final/CONFORMANCE.md

test-podman: ## Run podman on final, or on RUNTIME, as root

test-podman-rootless: ## Run podman of an ordinary user on final, or on RUNTIME. The tests make the user, and need root

test-containerd: ## Run containerd on final, with ctr and as Kubernetes does, or on RUNTIME, as root

test-docker: ## Run docker on final, or on RUNTIME, as root

chromium = $(firstword $(foreach name,chromium google-chrome google-chrome-stable,$(shell command -v $(name))))
podman_packages = podman conmon crun catatonit busybox-static docker-registry
podman-rootless_packages = $(podman_packages) uidmap slirp4netns
containerd_packages = containerd busybox-static
docker_packages = docker.io iptables busybox-static
podman_tests = Podman
podman-rootless_tests = Rootless
containerd_tests = Containerd
docker_tests = Docker
# The tests start their own daemons, which keep everything apart from the host's. The host's daemons need not run.
test-podman test-podman-rootless test-containerd test-docker: test-%: need-go need-rootfs
	@$(call install,$($*_packages))
	$(build_final)
	@RUNTIME="$(or $(RUNTIME),$(CURDIR)/build/final)"; export RUNTIME; \
	go test -tags engines -count=1 -run '^Test(Session|Terminal|$($*_tests))' $(if $(SUDO),-exec "$(as_root) 'RUNTIME=$$RUNTIME'") ./internal/engine

# critest is the test suite of Kubernetes for container runtimes. The modules of the workshop have neither critest nor containerd 2, and
# distributions have an older runc.
CRI_TOOLS := v1.37.0
CONTAINERD_2 := v2.4.2
RUNC := v1.5.3
cri_packages = containerd runc containernetworking-plugins iptables busybox-static
critest = build/cri/critest-$(CRI_TOOLS)
containerd_2 = build/cri/containerd-$(CONTAINERD_2)-runc-$(RUNC)

$(critest): | need-go
	@echo "building critest, which takes a minute or two" >&2
	@dir="$$(go mod download -json sigs.k8s.io/cri-tools@$(CRI_TOOLS) | sed -n 's/.*"Dir": "\(.*\)",.*/\1/p')" && go test -C "$$dir" -c -o "$(CURDIR)/$@" \
		-ldflags='-s -w -X sigs.k8s.io/cri-tools/pkg/version.Version=$(CRI_TOOLS)' ./cmd/critest

$(containerd_2)/containerd: | need-go
	@echo "building containerd $(CONTAINERD_2), which takes a minute or two" >&2
	@cd / && GOBIN="$(CURDIR)/$(containerd_2)" go install -ldflags='-s -w -X github.com/containerd/containerd/v2/version.Version=$(CONTAINERD_2)' \
		$(foreach program,ctr containerd-shim-runc-v2 containerd,github.com/containerd/containerd/v2/cmd/$(program)@$(CONTAINERD_2))

runc_packages = gcc libc6-dev libseccomp-dev pkg-config
$(containerd_2)/runc: | need-go
	@echo "building runc $(RUNC), which takes half a minute" >&2
	@$(call install,$(runc_packages))
	@cd / && CGO_ENABLED=1 GOBIN="$(CURDIR)/$(containerd_2)" go install -tags seccomp -ldflags='-s -w' github.com/opencontainers/runc@$(RUNC)

# The page is about final, and about both versions of containerd.
cri_variables = 'RUNTIME=$(or $(RUNTIME),$(CURDIR)/build/final)' 'CRITEST=$(CURDIR)/$(critest)' 'CONTAINERD=$(CONTAINERD)' \
	'CONTAINERD_2=$(CURDIR)/$(containerd_2)' 'CRI_FOCUS=$(CRI_FOCUS)' \
	'ENGINE_PAGE=$(if $(CONTAINERD)$(CRI_FOCUS)$(RUNTIME),,$(CURDIR)/final/CONFORMANCE.md)'
test-cri: need-go $(critest) $(if $(filter 1,$(CONTAINERD)),,$(containerd_2)/containerd $(containerd_2)/runc) ## Run Kubernetes' tests of runtimes on final and runc, as root. CONTAINERD=1 or 2 is shorter
	@$(call install,$(cri_packages))
	$(build_final)
	@env $(cri_variables) go test -tags engines -count=1 -timeout 60m -v -run '^TestCRI' $(if $(SUDO),-exec "$(as_root) $(cri_variables)") ./internal/engine

# Kubernetes and etcd are in the module of internal/kubernetes. They are built once, and again if that names another version.
.PHONY: build/kubernetes
build/kubernetes: need-go
	@! cmp -s internal/kubernetes/go.mod $@/go.mod || exit 0; \
	echo "building Kubernetes and etcd, once, which takes about ten minutes on two processors" >&2; \
	cd internal/kubernetes && flags="-s -w -X k8s.io/component-base/version.gitVersion=$$(go list -m -f '{{.Version}}' k8s.io/kubernetes)" && \
	for package in go.etcd.io/etcd/server/v3 $(addprefix k8s.io/kubernetes/cmd/,kubectl kube-apiserver kube-controller-manager kube-scheduler kubelet); do \
		name=$$(basename "$${package%/server/v3}"); echo "  $$name" >&2; \
		go build -trimpath -ldflags "$$flags" -o "$(CURDIR)/$@/$$name" "$$package" || exit; \
	done; \
	cp go.mod "$(CURDIR)/$@/"

kubernetes_packages = containernetworking-plugins busybox-static curl iproute2 procps bsdutils
kubernetes_variables = 'RUNTIME=$(CURDIR)/build/final' 'KUBERNETES=$(CURDIR)/build/kubernetes' 'CONTAINERD_2=$(CURDIR)/$(containerd_2)' \
	'ENGINE_PAGE=$(CURDIR)/final/BENCHMARKS.md:$(CURDIR)/final/benchmarks-kubernetes.svg'

# Containerd and runc are those of test-cri: Pods with user namespaces need them.
test-kubernetes: need-go build/kubernetes $(containerd_2)/containerd $(containerd_2)/runc ## Run a cluster of Kubernetes with one node, whose Pods run on final and on runc, as root
	@$(call install,$(kubernetes_packages))
	$(build_final)
	@env $(kubernetes_variables) go test -tags engines -count=1 -v -timeout 40m -run '^Test(Session|Kubernetes)' \
		$(if $(SUDO),-exec "$(as_root) $(kubernetes_variables)") ./internal/engine $(FLAGS)

cluster: need-go build/kubernetes $(containerd_2)/containerd $(containerd_2)/runc ## Open a shell on a node of Kubernetes whose Pods run on final, as root
	@$(call install,$(kubernetes_packages))
	$(build_final)
	@go test -tags engines -c -o build/cluster ./internal/engine
	@echo "starting a cluster of one node, which takes about ten seconds" >&2
	@cd internal/engine && $(or $(as_root),env) $(kubernetes_variables) 'ENGINE_PAGE=' ../../build/cluster -test.run '^TestClusterShell$$'

# umoci has a replace directive, so go install takes it only from its own directory.
build/umoci: need-go
	@[ -x $@ ] || { dir="$$(go mod download -json github.com/opencontainers/umoci@v0.6.0 | sed -n 's/.*"Dir": "\(.*\)",.*/\1/p')" && go build -C "$$dir" -o "$(CURDIR)/$@" ./cmd/umoci; }

test-layers: build/umoci ## Compare unpacked images with those of umoci and podman, as root. FLAGS='-seeds 1000 -seed 7'
	@$(call install,podman skopeo)
	@UMOCI="$(CURDIR)/build/umoci"; export UMOCI; \
	go test -tags engines -count=1 -run 'ShowsTheSame$$' $(if $(SUDO),-exec "$(as_root) 'UMOCI=$$UMOCI'") ./final/engine/image/layer $(FLAGS)

test-runc: need-go need-rootfs ## Run runc's integration tests on final, as root. FILES='exec.bats tty.bats' runs some of them
	$(build_final)
	@$(as_root) scripts/runc-suite.sh build/final $(FILES)

packages: ## Install the packages that the tests need, with apt
	@. /etc/os-release; set -- busybox-static codespell curl diffutils docker-registry fuse-overlayfs gcc hostname iproute2 iptables jq libc6-dev mmdebstrap mount nftables passt procps ruby shellcheck slirp4netns sudo uidmap unzip zip zstd; \
	[ "$$ID" = ubuntu ] || set -- "$$@" cpio qemu-system-x86 vagrant vagrant-libvirt; \
	$(call install,"$$@")

# Both programs of final.
define build_final
	@go build -o build/final ./final
	@go build -o build/final-helper ./final/helper/cmd
endef

.PHONY: build/final build/final-helper
build/final: need-go
	@go build -o $@ ./final

build/final-helper: need-go
	@go build -o $@ ./final/helper/cmd

# Makes build/compare/before, the final of BEFORE.
define before
	@mkdir -p build/compare && rm -rf build/compare/tree
	@if [ -f "$(BEFORE)" ]; then cp "$(BEFORE)" build/compare/before; else \
		mkdir build/compare/tree && git archive "$(BEFORE)" | tar -x -C build/compare/tree && \
		(cd build/compare/tree && go build -o ../before ./final) && rm -r build/compare/tree; \
	fi
endef

# It takes N configurations from SEED on. FLAGS are those of internal/compare, such as --verbose.
compare: need-go ## Compare what containers see with the final of BEFORE (a revision or a program) and with this one, as root
	@[ -n "$(BEFORE)" ] || { echo "make compare: name a revision or a program: make compare BEFORE=main" >&2; exit 1; }
	$(before)
	@go build -o build/compare/after ./final
	@go build -ldflags=-E=main.entry -o build/compare/probe ./internal/compare/probe
	@go build -o build/compare/run ./internal/compare
	@$(SUDO) build/compare/run --before build/compare/before --after build/compare/after --count $(or $(N),100) --seed $(or $(SEED),1) $(FLAGS)

# BEFORE is one more final to time: a revision or a program.
bench: need-go need-rootfs ## Time final beside crun, runc, bubblewrap and podman, as root, and write final/BENCHMARKS.md. RUNS=20 is shorter
	@go build -o build/ ./final ./step0*/
	@go build -o build/final-helper ./final/helper/cmd
	@go build -o build/bench ./internal/bench
	@# The peers are installed files, and the kernel starts those sooner than what the linker has just written.
	@for file in build/final build/step0*; do cp "$$file" "$$file.installed" && mv "$$file.installed" "$$file"; done
	$(if $(BEFORE),$(before))
	@$(as_root) build/bench --rootfs "$(ROOTFS)" $(if $(RUNS),--runs "$(RUNS)") $(if $(BEFORE),--before build/compare/before)

bench-pull: need-go ## Time how final and podman pull a large image, in turns, as root. PULL_DIR=/dev/shm is where they keep it
	@CGO_ENABLED=0 go build -o build/final-helper ./final/helper/cmd
	go test -count=1 -run '^$$' -bench Pull -benchtime 5x $(if $(SUDO),-exec "$(as_root) 'PULL_DIR=$(PULL_DIR)'") ./internal/bench

lint: need-go ## Look for mistakes without running any program
	@unformatted=$$(gofmt -l step0* final internal scripts vm) && { [ -z "$$unformatted" ] || { echo "gofmt: $$unformatted" >&2; false; }; }
	go vet $(packages)
	GOARCH=arm64 go vet $(packages)
	GOOS=darwin go vet ./step0*/ ./final
	go run $(STATICCHECK) $(packages)
	go vet -tags engines ./internal/engine ./final/engine/image/layer
	go run $(STATICCHECK) -tags engines ./internal/engine ./final/engine/image/layer
	go vet -tags browser ./internal/site/browser
	go run $(STATICCHECK) -tags browser ./internal/site/browser
	shellcheck scripts/*.sh vm/*.sh vm/init .ci/run
	codespell --ignore-words-list upto,sise,additionals,passt --skip .git,build,work,testdata,go.sum,*.cast,*.svg
	go run $(ACTIONLINT)
	GOARCH=arm64 go build -o build/arm64/ $(packages)

diffs: need-go ## Write the diffs, pictures and tables of the lessons again, from the programs
	@go run ./internal/lesson/cmd generate README.md step0*/README.md

casts: need-go need-rootfs ## Record the terminals of the lessons again, as root
	@go build -o build/lesson ./internal/lesson/cmd
	@$(as_root) build/lesson record step0*/README.md

clean: ## Remove everything that make has built, except the root file system
	rm -rf build

need-linux:
	@[ "$$(uname -s)" = Linux ] || { echo "Containers need Linux. Type this in your machine: vagrant ssh, or limactl shell lima (README.md, Get a machine)" >&2; exit 1; }

need-go:
	@command -v go >/dev/null || { echo "Go is missing: make doctor says how to install it" >&2; exit 1; }

# npm installs what the pages need, once. After that, make site works without npm and without the internet.
need-npm:
	@! cmp -s internal/site/package-lock.json build/npm/installed || exit 0; ! command -v npm >/dev/null || exit 0; \
	command -v apt-get >/dev/null || { echo "npm is missing: install Node.js 20 or newer" >&2; exit 1; }; \
	echo "npm is missing: installing it with apt, which takes a minute or two" >&2; \
	$(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends npm >/dev/null

need-chromium:
	@[ -z "$(chromium)" ] || exit 0; \
	! grep -qx ID=ubuntu /etc/os-release || { echo "Chromium is missing, and Ubuntu has no package of it: install Google Chrome" >&2; exit 1; }; \
	echo "Chromium is missing: installing it with apt" >&2; \
	$(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends chromium >/dev/null

need-step:
	@[ -n "$(step)" ] || { echo "STEP=$(STEP): there is no such step: use STEP=1 to STEP=7, or STEP=final" >&2; exit 1; }

need-rootfs:
	@[ -e "$(ROOTFS)" ] || $(SUDO) scripts/rootfs.sh "$(ROOTFS)"
