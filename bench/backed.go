// Memory that stays backed. A virtual machine may tell its host which free blocks of memory are long, and the host
// takes them: who touches one again waits until the host gives one back, at about two CPU-seconds per GB, and
// which measurement pays for that hangs on what was freed shortly before. Free blocks of 64 KiB between blocks
// that somebody holds can't become long ones, so they stay.

package main

import "syscall"

const (
	// freePiece is shorter than what such machines tell their hosts (128 KiB).
	freePiece = 64 << 10
	pageBytes = 4 << 10
)

// keepBacked sees to it that about so many bytes of free memory are backed, and holds as many. They stay so until
// release is called.
func keepBacked(bytes int64) (release func(), err error) {
	memory, err := syscall.Mmap(-1, 0, int(2*bytes), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return nil, err
	}
	for at := 0; at < len(memory); at += pageBytes {
		memory[at] = 1
	}
	for at := 0; at+freePiece <= len(memory) && err == nil; at += 2 * freePiece {
		err = syscall.Madvise(memory[at:at+freePiece], syscall.MADV_DONTNEED)
	}
	return func() { syscall.Munmap(memory) }, err
}
