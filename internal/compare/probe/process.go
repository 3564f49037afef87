//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// told returns a value as text, or the name of the error.
func told(value any, err error) string {
	if number, ok := errors.AsType[unix.Errno](err); ok {
		return "error " + unix.ErrnoName(number)
	}
	if err != nil {
		return "error " + err.Error()
	}
	return fmt.Sprint(value)
}

// call makes a system call and returns its result as text.
func call(number uintptr, args ...uintptr) string {
	var all [6]uintptr
	copy(all[:], args)
	value, _, errno := unix.Syscall6(number, all[0], all[1], all[2], all[3], all[4], all[5])
	if errno != 0 {
		return told(nil, errno)
	}
	return strconv.Itoa(int(value))
}

// read returns a small file, as one line.
func read(name string) string {
	content, err := os.ReadFile(name)
	return told(strings.TrimSpace(string(content[:min(len(content), 4096)])), err)
}

func ids() any {
	all := section{}
	ruid, euid, suid := unix.Getresuid()
	rgid, egid, sgid := unix.Getresgid()
	groups, err := unix.Getgroups()
	all["users"], all["groups"] = fmt.Sprint(ruid, euid, suid), fmt.Sprint(rgid, egid, sgid)
	all["additional"] = told(groups, err)
	return all
}

func limits() any {
	all := section{}
	for number, name := range []string{"CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK", "AS", "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME"} {
		limit := openFiles
		var err error
		if number != unix.RLIMIT_NOFILE {
			err = unix.Prlimit(0, number, nil, &limit)
		}
		all[name] = told(fmt.Sprintf("%d %d", int64(limit.Cur), int64(limit.Max)), err)
	}
	return all
}

// statusFields are the lines of /proc/self/status that the caller decides. Signals are not among them: Go's runtime has changed them.
var statusFields = []string{
	"Umask", "Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters",
	"Speculation_Store_Bypass", "SpeculationIndirectBranch", "Cpus_allowed_list", "Mems_allowed_list", "THP_enabled", "SigPnd", "ShdPnd", "VmLck", "TracerPid",
}

func status() any {
	all := section{}
	content, err := os.ReadFile("/proc/self/status")
	if err != nil {
		all["status"] = told(nil, err)
	}
	for line := range strings.Lines(string(content)) {
		name, value, _ := strings.Cut(line, ":")
		for _, field := range statusFields {
			if name == field {
				all[name] = strings.Join(strings.Fields(value), " ")
			}
		}
		if name == "NSpid" {
			all["depth of PID namespaces"] = strconv.Itoa(len(strings.Fields(value)))
		}
	}
	return all
}

func process() any {
	all := section{}
	cwd := make([]byte, unix.PathMax)
	n, err := unix.Getcwd(cwd)
	all["cwd"] = told(string(cwd[:max(n-1, 0)]), err)
	old := unix.Umask(0)
	unix.Umask(old)
	all["umask"] = fmt.Sprintf("%#o", old)
	for i, arg := range os.Args {
		all[fmt.Sprintf("argv[%d]", i)] = arg
	}
	all["is process 1"] = strconv.FormatBool(os.Getpid() == 1)
	all["has a parent here"] = strconv.FormatBool(os.Getppid() != 0)
	for _, name := range []string{
		"oom_score_adj", "coredump_filter", "comm", "timerslack_ns", "loginuid", "attr/current", "attr/apparmor/current", "timens_offsets", "uid_map",
		"gid_map", "setgroups", "personality",
	} {
		all[name] = read("/proc/self/" + name)
	}
	for _, name := range []string{"exe", "root", "cwd"} {
		target, err := os.Readlink("/proc/self/" + name)
		all["link "+name] = told(target, err)
	}
	scheduling(all)
	control(all)
	auxiliary(all)
	return all
}

func scheduling(all section) {
	attr, err := unix.SchedGetAttr(0, 0)
	all["scheduler"] = told(fmt.Sprintf("%+v", attr), err)
	if attr != nil {
		all["scheduler"] = told(fmt.Sprintf("%+v", *attr), err)
	}
	var cpus unix.CPUSet
	err = unix.SchedGetaffinity(0, &cpus)
	all["affinity"] = told(fmt.Sprintf("%x", cpus[:2]), err)
	all["nice"] = call(unix.SYS_GETPRIORITY, 0, 0)
	all["ioprio"] = call(unix.SYS_IOPRIO_GET, 1, 0)
	var mode int32
	var nodes [16]uint64
	result := call(unix.SYS_GET_MEMPOLICY, uintptr(unsafe.Pointer(&mode)), uintptr(unsafe.Pointer(&nodes)), 1024, 0, 0)
	all["memory policy"] = fmt.Sprintf("%s mode %#x nodes %#x", result, mode, nodes[0])
}

// control reads what prctl(2), personality(2) and getitimer(2) tell of a process.
func control(all section) {
	var signal, reaper int32
	all["parent-death signal"] = told(nil, unix.Prctl(unix.PR_GET_PDEATHSIG, uintptr(unsafe.Pointer(&signal)), 0, 0, 0)) + fmt.Sprint(signal)
	all["subreaper"] = told(nil, unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&reaper)), 0, 0, 0)) + fmt.Sprint(reaper)
	for name, number := range map[string]uintptr{
		"dumpable": unix.PR_GET_DUMPABLE, "securebits": unix.PR_GET_SECUREBITS, "keepcaps": unix.PR_GET_KEEPCAPS,
		"no new privileges": unix.PR_GET_NO_NEW_PRIVS, "timer slack": unix.PR_GET_TIMERSLACK, "no huge pages": unix.PR_GET_THP_DISABLE,
		"machine check": unix.PR_MCE_KILL_GET, "io flusher": unix.PR_GET_IO_FLUSHER, "seccomp": unix.PR_GET_SECCOMP,
		"merges memory": unix.PR_GET_MEMORY_MERGE, "no writable code": unix.PR_GET_MDWE,
	} {
		all[name] = call(unix.SYS_PRCTL, number)
	}
	all["personality call"] = call(unix.SYS_PERSONALITY, 0xffffffff)
	for which := range 3 {
		var timer unix.Itimerval
		all[fmt.Sprintf("timer %d", which)] = call(unix.SYS_GETITIMER, uintptr(which), uintptr(unsafe.Pointer(&timer))) + fmt.Sprint(timer.Value)
	}
}

// auxiliary reads what the kernel has told the program at execve. getauxval(3)
func auxiliary(all section) {
	const program = 31
	names := map[uint64]string{11: "AT_UID", 12: "AT_EUID", 13: "AT_GID", 14: "AT_EGID", 23: "AT_SECURE"}
	content, err := os.ReadFile("/proc/self/auxv")
	if err != nil {
		all["auxv"] = told(nil, err)
	}
	for ; len(content) >= 16; content = content[16:] {
		if binary.NativeEndian.Uint64(content) == program {
			all["AT_EXECFN"] = textAt(binary.NativeEndian.Uint64(content[8:]))
		}
		if name, ok := names[binary.NativeEndian.Uint64(content)]; ok {
			all[name] = strconv.FormatUint(binary.NativeEndian.Uint64(content[8:]), 10)
		}
	}
}

// textAt reads text of our own memory.
func textAt(address uint64) string {
	memory, err := os.Open("/proc/self/mem")
	if err != nil {
		return told(nil, err)
	}
	defer memory.Close()
	text := make([]byte, 256)
	n, err := memory.ReadAt(text, int64(address))
	if n > 0 {
		err = nil
	}
	before, _, _ := bytes.Cut(text[:n], []byte{0})
	return told(string(before), err)
}

// environ returns the variables in order. Go's list lacks variables that appear twice.
func environ() any {
	all := section{}
	content, err := os.ReadFile("/proc/self/environ")
	if err != nil {
		content = []byte(strings.Join(os.Environ(), "\x00") + "\x00")
	}
	for i, variable := range bytes.Split(bytes.TrimSuffix(content, []byte{0}), []byte{0}) {
		all[fmt.Sprintf("[%02d]", i)] = string(variable)
	}
	return all
}

func session() any {
	all := section{}
	pid := unix.Getpid()
	sid, err := unix.Getsid(0)
	all["leads its session"] = told(sid == pid, err)
	all["leads its process group"] = strconv.FormatBool(unix.Getpgrp() == pid)
	tty, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	all["/dev/tty"] = told("opens", err)
	if err == nil {
		unix.Close(tty)
	}
	for stream := range 3 {
		name := fmt.Sprintf("stream %d ", stream)
		size, err := unix.IoctlGetWinsize(stream, unix.TIOCGWINSZ)
		if err != nil {
			all[name+"size"] = told(nil, err)
			continue
		}
		all[name+"size"] = fmt.Sprintf("%+v", *size)
		settings, err := unix.IoctlGetTermios(stream, unix.TCGETS)
		if err == nil {
			all[name+"settings"] = fmt.Sprintf("%#x %#x %#x %#x %s", settings.Iflag, settings.Oflag, settings.Cflag, settings.Lflag, hex.EncodeToString(settings.Cc[:]))
		}
		group, err := unix.IoctlGetInt(stream, unix.TIOCGPGRP)
		all[name+"foreground is ours"] = told(group == unix.Getpgrp(), err)
	}
	return all
}
