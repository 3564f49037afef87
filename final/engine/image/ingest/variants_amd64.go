//go:build linux

package ingest

import "golang.org/x/sys/cpu"

// variants are the variants of the architecture that this machine can run, the best one last. An image without a variant is for all.
// https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md#platform-variants
var variants = func() []string {
	list := []string{"", "v1"}
	if cpu.X86.HasSSE42 && cpu.X86.HasSSSE3 && cpu.X86.HasPOPCNT && cpu.X86.HasCX16 {
		list = append(list, "v2")
		if cpu.X86.HasAVX2 && cpu.X86.HasBMI1 && cpu.X86.HasBMI2 && cpu.X86.HasFMA {
			list = append(list, "v3")
		}
	}
	return list
}()
