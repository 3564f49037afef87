//go:build linux

package cgroup

// Stats is what a container takes, in the JSON that engines know from `events --stats`, where it is "data". What no controller
// counts is left out, or 0.
type Stats struct {
	CPU    CPUStats    `json:"cpu"`
	Memory MemoryStats `json:"memory"`
	Pids   PidsStats   `json:"pids"`
	Blkio  BlkioStats  `json:"blkio"`
	// Hugetlb has the sizes of pages as names, such as 2MB.
	Hugetlb map[string]HugetlbStats `json:"hugetlb"`
}

// CPUStats is processor time since the cgroup was made.
type CPUStats struct {
	Usage      CPUUsage   `json:"usage"`
	Throttling Throttling `json:"throttling"`
}

// CPUUsage is in nanoseconds.
type CPUUsage struct {
	Total uint64 `json:"total"`
	// Percpu has one number for each processor. Version 1 only.
	Percpu []uint64 `json:"percpu,omitempty"`
	// Kernel is the part of it in system calls, and User that in programs.
	Kernel uint64 `json:"kernel"`
	User   uint64 `json:"user"`
}

// Throttling tells how often linux.resources.cpu.quota was used up.
type Throttling struct {
	// Periods is how many of linux.resources.cpu.period there were in which a process ran.
	Periods uint64 `json:"periods"`
	// ThrottledPeriods is in how many of these they had to wait.
	ThrottledPeriods uint64 `json:"throttledPeriods"`
	// ThrottledTime is how long, in nanoseconds, all processors together.
	ThrottledTime uint64 `json:"throttledTime"`
}

// MemoryStats is in bytes.
type MemoryStats struct {
	// Cache is what the kernel keeps of files.
	Cache uint64 `json:"cache"`
	// Usage is all that counts for linux.resources.memory.limit: Cache too.
	Usage MemoryUsage `json:"usage"`
	// Swap is memory and swap together, as linux.resources.memory.swap is.
	Swap MemoryUsage `json:"swap"`
	// Kernel is the part of Usage that the kernel has for its own purposes.
	Kernel MemoryUsage `json:"kernel"`
	// KernelTCP is the part of that in buffers of TCP. Version 1 only.
	KernelTCP MemoryUsage `json:"kernelTCP"`
	// Raw is the file memory.stat: bytes and numbers of events.
	Raw map[string]uint64 `json:"raw,omitempty"`
}

// MemoryUsage is in bytes, but for Failcnt.
type MemoryUsage struct {
	// Limit is a number too large to be met if there is none: 2^63 less a page on version 1, and 2^64-1 on version 2.
	Limit uint64 `json:"limit"`
	Usage uint64 `json:"usage"`
	// Max is the most that it has been. For Swap it is 0 on version 2.
	Max uint64 `json:"max"`
	// Failcnt is how many times the limit was met.
	Failcnt uint64 `json:"failcnt"`
}

// PidsStats counts processes and threads.
type PidsStats struct {
	Current uint64 `json:"current"`
	// Limit is 0 for none.
	Limit uint64 `json:"limit"`
}

// BlkioStats has an entry for each disk and kind of operation.
type BlkioStats struct {
	// ServiceBytes is what was read and written, in bytes.
	ServiceBytes []BlkioEntry `json:"ioServiceBytesRecursive,omitempty"`
	// Serviced is the number of operations.
	Serviced []BlkioEntry `json:"ioServicedRecursive,omitempty"`
	// Queued is the number of those that wait now. This and what follows is counted by the scheduler BFQ of version 1 only, if
	// the kernel was built so.
	Queued []BlkioEntry `json:"ioQueueRecursive,omitempty"`
	// ServiceTime and WaitTime are how long operations took, and waited before, in nanoseconds.
	ServiceTime []BlkioEntry `json:"ioServiceTimeRecursive,omitempty"`
	WaitTime    []BlkioEntry `json:"ioWaitTimeRecursive,omitempty"`
	// Merged is the number of operations that became part of another.
	Merged []BlkioEntry `json:"ioMergedRecursive,omitempty"`
	// Time is how long a disk was ours, in milliseconds.
	Time []BlkioEntry `json:"ioTimeRecursive,omitempty"`
	// Sectors is what was read and written, in units of 512 bytes.
	Sectors []BlkioEntry `json:"sectorsRecursive,omitempty"`
}

// BlkioEntry is for one disk, with its major and minor number.
type BlkioEntry struct {
	Major uint64 `json:"major"`
	Minor uint64 `json:"minor"`
	// Op is Read, Write, Discard, Sync, Async or Total. It is empty where these are not told apart.
	Op    string `json:"op,omitempty"`
	Value uint64 `json:"value"`
}

// HugetlbStats is in bytes, but for Failcnt.
type HugetlbStats struct {
	Usage uint64 `json:"usage"`
	// Max is the most that it has been. Version 1 only.
	Max uint64 `json:"max"`
	// Failcnt is how many times the limit was met.
	Failcnt uint64 `json:"failcnt"`
}
