;; The allocator of Substrate's runtimes, in the memory of the runtime that it serves: a runtime allocates some hundred times
;; in a call, and each would else leave wasm for Python and come back.
;;
;; Blocks are of 2^k bytes, k from 3 on. A free one is in the list of its k. Before each stand 16 bytes: its k and a mark (4), 4
;; unused, and 8 that are zero at first: in the last two of them the runtime keeps an alignment offset since sp-io 49, and reads
;; it when it frees, even of blocks that the host returned.
(module
  (import "env" "memory" (memory 1))
  ;; Where the heads of the lists stand, one of 4 bytes for each k up to 30; the last of 32 is the first byte that was never
  ;; given out. The host allocates by them, too. The heap is behind them.
  (global $lists (mut i32) (i32.const 0))

  ;; Begins anew; returns where the lists are.
  (func (export "reset") (param $base i32) (result i32)
    (global.set $lists (i32.and (i32.add (local.get $base) (i32.const 7)) (i32.const -8)))
    (call $room (i32.add (global.get $lists) (i32.const 128)))
    (memory.fill (global.get $lists) (i32.const 0) (i32.const 124))
    (i32.store offset=124 (global.get $lists) (i32.add (global.get $lists) (i32.const 128)))
    (global.get $lists))

  ;; Grows the memory, by a mebibyte at least, until it reaches so far.
  (func $room (param $end i32)
    (local $missing i32)
    (local.set $missing
      (i32.sub
        (i32.wrap_i64 (i64.shr_u (i64.add (i64.extend_i32_u (local.get $end)) (i64.const 65535)) (i64.const 16)))
        (memory.size)))
    (if (i32.gt_s (local.get $missing) (i32.const 0))
      (then
        (if (i32.lt_s (local.get $missing) (i32.const 16)) (then (local.set $missing (i32.const 16))))
        (if (i32.eq (memory.grow (local.get $missing)) (i32.const -1)) (then unreachable)))))

  (func (export "malloc") (param $size i32) (result i32)
    (local $k i32) (local $list i32) (local $block i32) (local $heap i32)
    ;; 32 MiB at once, as in Substrate's host.
    (if (i32.gt_u (local.get $size) (i32.const 33554432)) (then unreachable))
    (local.set $k (i32.const 3))
    (if (i32.gt_u (local.get $size) (i32.const 8))
      (then (local.set $k (i32.sub (i32.const 32) (i32.clz (i32.sub (local.get $size) (i32.const 1)))))))
    (local.set $list (i32.add (global.get $lists) (i32.shl (local.get $k) (i32.const 2))))
    (local.set $block (i32.load (local.get $list)))
    (if (local.get $block)
      (then (i32.store (local.get $list) (i32.load (local.get $block))))
      (else
        (local.set $block (i32.add (i32.load offset=124 (global.get $lists)) (i32.const 16)))
        (local.set $heap (i32.add (local.get $block) (i32.shl (i32.const 1) (local.get $k))))
        ;; Behind the end of all that 32 bits reach there is nothing: neither sum may wrap.
        (if (i32.lt_u (local.get $block) (i32.const 16)) (then unreachable))
        (if (i32.lt_u (local.get $heap) (local.get $block)) (then unreachable))
        (call $room (local.get $heap))
        (i32.store offset=124 (global.get $lists) (local.get $heap))))
    (i32.store (i32.sub (local.get $block) (i32.const 16)) (i32.or (local.get $k) (i32.const 0x5eed00)))
    (i64.store (i32.sub (local.get $block) (i32.const 8)) (i64.const 0))
    (local.get $block))

  ;; What was not allocated, or is free already, is a trap: the memory would be corrupt.
  (func (export "free") (param $block i32)
    (local $mark i32) (local $list i32)
    (local.set $mark (i32.load (i32.sub (local.get $block) (i32.const 16))))
    (if (i32.ne (i32.and (local.get $mark) (i32.const -32)) (i32.const 0x5eed00)) (then unreachable))
    (local.set $list
      (i32.add (global.get $lists) (i32.shl (i32.and (local.get $mark) (i32.const 31)) (i32.const 2))))
    (i32.store (i32.sub (local.get $block) (i32.const 16)) (i32.const 0))
    (i32.store (local.get $block) (i32.load (local.get $list)))
    (i32.store (local.get $list) (local.get $block))))
