//go:build linux

// Package stats runs on the host side. It reads what a container uses from the files of its cgroup, and watches for processes that
// the kernel kills for their memory. The package serves `final events`.
package stats

// Stats is the "data" of a line of `events --stats`. Engines know this JSON. A number is 0 or missing if no controller counts it.
type Stats struct {
	CPU    CPU    `json:"cpu"`
	Memory Memory `json:"memory"`
	Pids   Pids   `json:"pids"`
	Blkio  Blkio  `json:"blkio"`
	// Hugetlb has one entry for each size of pages, such as 2MB.
	Hugetlb map[string]Hugetlb `json:"hugetlb"`
}

// CPU is the processor time since the cgroup was made, in nanoseconds.
type CPU struct {
	Usage struct {
		Total uint64 `json:"total"`
		// Percpu has one number for each processor, on version 1 only.
		Percpu []uint64 `json:"percpu,omitempty"`
		// Kernel is the part of Total in system calls, and User the part in programs.
		Kernel uint64 `json:"kernel"`
		User   uint64 `json:"user"`
	} `json:"usage"`
	// Throttling counts the periods in which a process ran, and the periods in which processes used up the quota and had to wait.
	Throttling struct {
		Periods          uint64 `json:"periods"`
		ThrottledPeriods uint64 `json:"throttledPeriods"`
		// ThrottledTime is the sum over all processors.
		ThrottledTime uint64 `json:"throttledTime"`
	} `json:"throttling"`
}

// Memory is in bytes.
type Memory struct {
	// Cache is the contents of files.
	Cache uint64 `json:"cache"`
	// Usage is everything that counts for linux.resources.memory.limit, with Cache.
	Usage MemoryUsage `json:"usage"`
	// Swap is memory and swap together, like linux.resources.memory.swap.
	Swap MemoryUsage `json:"swap"`
	// Kernel is the part of Usage that the kernel has for its own purposes.
	Kernel MemoryUsage `json:"kernel"`
	// KernelTCP is the buffers of TCP, on version 1 only.
	KernelTCP MemoryUsage `json:"kernelTCP"`
	// Raw is the file memory.stat.
	Raw map[string]uint64 `json:"raw,omitempty"`
}

// MemoryUsage is in bytes. Failcnt counts how often the usage met the limit.
type MemoryUsage struct {
	// Limit is huge if there is no limit: 2^63 less a page on version 1, and 2^64-1 on version 2.
	Limit uint64 `json:"limit"`
	Usage uint64 `json:"usage"`
	// Max is the highest usage so far. Version 2 does not count Max for Swap.
	Max     uint64 `json:"max"`
	Failcnt uint64 `json:"failcnt"`
}

// Pids counts processes and threads. Limit is 0 if there is no limit.
type Pids struct {
	Current uint64 `json:"current"`
	Limit   uint64 `json:"limit"`
}

// Blkio has an entry for each disk and kind of operation.
type Blkio struct {
	// ServiceBytes is what was read and written, and Serviced the number of operations.
	ServiceBytes []BlkioEntry `json:"ioServiceBytesRecursive,omitempty"`
	Serviced     []BlkioEntry `json:"ioServicedRecursive,omitempty"`
	// Queued is the number of operations that wait now. Only the scheduler BFQ of version 1 counts Queued and all that follows.
	Queued []BlkioEntry `json:"ioQueueRecursive,omitempty"`
	// ServiceTime and WaitTime are how long operations took, and how long they waited before, in nanoseconds.
	ServiceTime []BlkioEntry `json:"ioServiceTimeRecursive,omitempty"`
	WaitTime    []BlkioEntry `json:"ioWaitTimeRecursive,omitempty"`
	// Merged is the number of operations that became part of another operation.
	Merged []BlkioEntry `json:"ioMergedRecursive,omitempty"`
	// Time is how long the container had the disk, in milliseconds.
	Time []BlkioEntry `json:"ioTimeRecursive,omitempty"`
	// Sectors is what was read and written, in units of 512 bytes.
	Sectors []BlkioEntry `json:"sectorsRecursive,omitempty"`
}

// BlkioEntry is for one disk, which has a major and a minor number.
type BlkioEntry struct {
	Major uint64 `json:"major"`
	Minor uint64 `json:"minor"`
	// Op is Read, Write, Discard, Sync, Async or Total. Op is empty if the kernel does not tell the operations apart.
	Op    string `json:"op,omitempty"`
	Value uint64 `json:"value"`
}

// Hugetlb is in bytes. Max, the highest usage so far, is counted on version 1 only. Failcnt counts how often the usage met the limit.
type Hugetlb struct {
	Usage   uint64 `json:"usage"`
	Max     uint64 `json:"max"`
	Failcnt uint64 `json:"failcnt"`
}
