(local.set $rsi (i64.load offset=RSI (i32.const 0)))
(local.set $rax (i64.load offset=RAX (i32.const 0)))
(local.set $rdi (i64.load offset=RDI (i32.const 0)))
(local.set $flags_cc (i64.load offset=FLAGS_CC (i32.const 0)))
(local.set $rcx (i64.load offset=RCX (i32.const 0)))
(local.set $flags_res (i64.load offset=FLAGS_RES (i32.const 0)))
(local.set $flags_aux (i64.load offset=FLAGS_AUX (i32.const 0)))
(local.set $budget (i32.add (i32.load offset=BUDGET (i32.const 0)) (i32.const 1)))
(i32.store offset=REGION_STALE (i32.const 0) (i32.const 0))
(local.set $page (i64.load offset=SLOT_PAGE (i32.const 0)))
(local.set $tlb (i32.load offset=TLB_BASE (i32.const 0)))
(local.set $block (i32.load16_u offset=28 (local.get $record)))
(block $1
  (block $2
    (loop $3
      (block $4
        (br_table $4 $4 (local.get $block))
      )
      (loop $5
        (if $6 (i32.lt_s (local.get $budget) (i32.const 6))
          (i32.store offset=REGION_RESUME (i32.const 0) (i32.const handler(MOV_gpr8_mem8_8)))
          (local.set $left (local.get $budget))
          (local.set $result (i32.const record(0)+1))
          (br $1)
        )
        (local.set $budget (i32.sub (local.get $budget) (i32.const 6)))
        (local.set $t0 (local.get $rsi))
        (local.set $t2 (local.get $t0))
        (local.set $t3 (i32.wrap_i64 (local.get $t2)))
        (local.set $t4
          (i32.add (local.get $tlb) (i32.and (i32.shr_u (local.get $t3) (i32.const 8)) (i32.const 65520))))
        (if $7 (i64.eq (i64.load (local.get $t4)) (i64.and (local.get $t2) (i64.const -4096)))
          (local.set $t1 (i32.add (local.get $t3) (i32.load offset=8 (local.get $t4))))
        else
          (local.set $t1
            (call $slowRead
              (local.get $t2)
              (i32.const 1)
              (i32.const record(0))
              (i32.add (local.get $budget) (i32.const 5))))
          (br_if $2 (i32.eqz (local.get $t1)))
        )
        (local.set $t5 (i64.load8_u (local.get $t1)))
        (local.set $rax
          (i64.or (i64.and (local.get $rax) (i64.const -256)) (i64.and (local.get $t5) (i64.const 255))))
        (local.set $t5 (i64.and (local.get $rax) (i64.const 255)))
        (local.set $t2 (local.get $rdi))
        (local.set $t0 (local.get $t5))
        (local.set $t6 (local.get $t2))
        (local.set $t4 (i32.wrap_i64 (local.get $t6)))
        (local.set $t3
          (i32.add (local.get $tlb) (i32.and (i32.shr_u (local.get $t4) (i32.const 8)) (i32.const 65520))))
        (if $8 (i64.eq (i64.load offset=65536 (local.get $t3)) (i64.and (local.get $t6) (i64.const -4096)))
          (i64.store8 (i32.add (local.get $t4) (i32.load offset=65544 (local.get $t3))) (local.get $t0))
        else
          (local.set $t1
            (call $slowWrite
              (local.get $t6)
              (i32.const 1)
              (i32.const record(2))
              (i32.add (local.get $budget) (i32.const 4))))
          (br_if $2 (i32.eqz (local.get $t1)))
          (i64.store8 (local.get $t1) (local.get $t0))
        )
        (local.set $t6 (local.get $rsi))
        (local.set $t0 (i64.add (local.get $t6) (i64.const 1)))
        (local.set $rsi (local.get $t0))
        (local.set $t2 (local.get $t0))
        (local.set $t5 (i64.and (local.get $flags_cc) (i64.const -9223372036854775808)))
        (local.set $flags_cc
          (i64.or
            (local.get $t5)
            (i64.xor
              (i64.shr_u (local.get $t5) (i64.const 1))
              (i64.shl (i64.extend_i32_u (i64.eq (local.get $t2) (i64.const -9223372036854775808))) (i64.const 62)))))
        (local.set $t5 (local.get $rdi))
        (local.set $t2 (i64.add (local.get $t5) (i64.const 1)))
        (local.set $rdi (local.get $t2))
        (local.set $t0 (local.get $t2))
        (local.set $t6 (i64.and (local.get $flags_cc) (i64.const -9223372036854775808)))
        (local.set $flags_cc
          (i64.or
            (local.get $t6)
            (i64.xor
              (i64.shr_u (local.get $t6) (i64.const 1))
              (i64.shl (i64.extend_i32_u (i64.eq (local.get $t0) (i64.const -9223372036854775808))) (i64.const 62)))))
        (local.set $t6 (i64.extend_i32_u (i32.wrap_i64 (local.get $rcx))))
        (local.set $t0 (i64.sub (local.get $t6) (i64.const 1)))
        (local.set $rcx (i64.extend_i32_u (i32.wrap_i64 (local.get $t0))))
        (local.set $t2 (i64.extend32_s (local.get $t0)))
        (local.set $t5 (i64.and (local.get $flags_cc) (i64.const -9223372036854775808)))
        (local.set $flags_res (local.get $t2))
        (local.set $flags_cc
          (i64.or
            (local.get $t5)
            (i64.xor
              (i64.shr_u (local.get $t5) (i64.const 1))
              (i64.shl (i64.extend_i32_u (i64.eq (local.get $t2) (i64.const 2147483647))) (i64.const 62)))))
        (local.set $flags_aux
          (i64.and (i64.xor (i64.xor (local.get $t6) (i64.const 1)) (local.get $t0)) (i64.const 16)))
        (if $9 (i64.ne (local.get $flags_res) (i64.const 0))
          (br $5)
        )
        (local.set $left (local.get $budget))
        (local.set $result (i32.const record(14)))
        (br $1)
      )
      (unreachable)
    )
  )
  (local.set $left (i32.load offset=BUDGET (i32.const 0)))
  (local.set $result (i32.load offset=REGION_RETRY (i32.const 0)))
  (i32.store offset=REGION_RETRY (i32.const 0) (i32.const 0))
)
(i64.store offset=RAX (i32.const 0) (local.get $rax))
(i64.store offset=RSI (i32.const 0) (local.get $rsi))
(i64.store offset=FLAGS_CC (i32.const 0) (local.get $flags_cc))
(i64.store offset=RDI (i32.const 0) (local.get $rdi))
(i64.store offset=RCX (i32.const 0) (local.get $rcx))
(i64.store offset=FLAGS_RES (i32.const 0) (local.get $flags_res))
(i64.store offset=FLAGS_AUX (i32.const 0) (local.get $flags_aux))
(i32.store offset=BUDGET (i32.const 0) (local.get $left))
(return (local.get $result))
