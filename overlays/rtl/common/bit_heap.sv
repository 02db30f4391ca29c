// Adds up a heap of bits, those of column i counting 2^i each: the sum modulo 2^COLUMNS.
//
// Levels of counters, seven bits to three, until no column has more than three bits, and an adder
// of three numbers. Registers lie between levels, so that all parts are about as deep.
// Latency: REGISTERS cycles. A heap a cycle.
`default_nettype none

module bit_heap #(
  parameter int                    COLUMNS   = 4,  // bits of the sum, 1 to 64
  parameter logic [COLUMNS*16-1:0] HEIGHTS   = {COLUMNS{16'd1}},  // 16 bits each; not all 0
  parameter int                    REGISTERS = 0   // >= 0
) (
  input  logic                               aclk,
  input  logic                               advance,  // the registers move
  input  logic [below(HEIGHTS, COLUMNS)-1:0] bits,     // those of column 0 lowest
  output logic [COLUMNS-1:0]                 sum
);
  localparam int HEIGHT_BITS = COLUMNS * 16;
  localparam int LEVELS = levels();
  // How many LUTs lie one behind the other, about: in what makes the bits, a level, the adder.
  localparam int MADE = 1;
  localparam int LEVEL = 2;
  localparam int ADDER = 4;

  function automatic int height(input logic [HEIGHT_BITS-1:0] heights, input int column);
    height = column < 0 || column >= COLUMNS ? 0 : int'(16'(heights >> 16 * column));
  endfunction

  // Bits that lie in the columns below one.
  function automatic int below(input logic [HEIGHT_BITS-1:0] heights, input int column);
    below = 0;
    for (int i = 0; i < column; i = i + 1) below = below + height(heights, i);
  endfunction

  // Counters of a column, and the bits that it hands on as they are: counters take four or more.
  function automatic int counters(input logic [HEIGHT_BITS-1:0] heights, input int column);
    counters = (height(heights, column) + 3) / 7;
  endfunction

  function automatic int kept(input logic [HEIGHT_BITS-1:0] heights, input int column);
    int rest;
    rest = height(heights, column) % 7;
    kept = rest > 3 ? 0 : rest;
  endfunction

  // The heights behind a level of counters: ones, twos of the column below, fours of that below it.
  function automatic logic [HEIGHT_BITS-1:0] counted(input logic [HEIGHT_BITS-1:0] heights);
    logic [15:0] left;
    counted = '0;
    for (int i = 0; i < COLUMNS; i = i + 1) begin
      left = 16'(kept(heights, i) + counters(heights, i) + counters(heights, i - 1)
        + counters(heights, i - 2));
      counted = counted | HEIGHT_BITS'(left) << 16 * i;
    end
  endfunction

  function automatic logic [HEIGHT_BITS-1:0] behind(input int level);
    behind = HEIGHTS;
    for (int i = 0; i < level; i = i + 1) behind = counted(behind);
  endfunction

  function automatic int levels();
    logic [HEIGHT_BITS-1:0] heights;
    int high;
    levels = -1;
    heights = HEIGHTS;
    high = 1;
    while (high != 0) begin
      high = 0;
      for (int i = 0; i < COLUMNS; i = i + 1) if (height(heights, i) > 3) high = 1;
      heights = counted(heights);
      levels = levels + 1;
    end
  endfunction

  // Registers up to and with those behind a level, so that all parts are about as deep.
  function automatic int registers(input int level);
    registers = (MADE + level * LEVEL) * (REGISTERS + 1) / (MADE + LEVELS * LEVEL + ADDER);
    if (level < 0) registers = 0;
    if (level == LEVELS || registers > REGISTERS) registers = REGISTERS;
  endfunction

  if (COLUMNS < 1 || COLUMNS > 64 || HEIGHTS == '0 || REGISTERS < 0) begin : g_bad_heap
    $error("COLUMNS must be 1 to 64, HEIGHTS not all 0, REGISTERS at least 0");
  end

  for (genvar l = 0; l <= LEVELS; l = l + 1) begin : g_level
    localparam logic [HEIGHT_BITS-1:0] NOW = behind(l);
    localparam logic [HEIGHT_BITS-1:0] NEXT = counted(NOW);
    logic [below(NOW, COLUMNS)-1:0] made, heap;
    if (l == 0) begin : g_first
      assign made = bits;
    end else begin : g_later
      assign made = g_level[l-1].g_counters.next;
    end
    delay #(
      .WIDTH (below(NOW, COLUMNS)),
      .CYCLES(registers(l) - registers(l - 1))
    ) hold (
      .aclk,
      .advance,
      .x(made),
      .y(heap)
    );

    if (l < LEVELS) begin : g_counters
      // A column: its counters' ones, what it kept, then the twos and fours of those below.
      logic [below(NEXT, COLUMNS)-1:0] next;
      for (genvar c = 0; c < COLUMNS; c = c + 1) begin : g_column
        localparam int COUNTERS = counters(NOW, c);
        localparam int KEPT = kept(NOW, c);
        localparam int TAKEN = height(NOW, c) - KEPT;
        localparam int TWOS = below(NEXT, c + 1) + counters(NOW, c + 1) + kept(NOW, c + 1);
        localparam int FOURS = below(NEXT, c + 2) + counters(NOW, c + 2) + kept(NOW, c + 2)
          + counters(NOW, c + 1);
        if (COUNTERS > 0) begin : g_count
          logic [COUNTERS-1:0] ones, twos, fours;
          counter7 #(
            .COUNTERS(COUNTERS)
          ) counter (
            .x    ((7 * COUNTERS)'(heap[below(NOW, c)+:TAKEN])),
            .ones (ones),
            .twos (twos),
            .fours(fours)
          );
          assign next[below(NEXT, c)+:COUNTERS] = ones;
          if (c + 1 < COLUMNS) begin : g_twos
            assign next[TWOS+:COUNTERS] = twos;
          end
          if (c + 2 < COLUMNS) begin : g_fours
            assign next[FOURS+:COUNTERS] = fours;
          end
          logic unused;
          assign unused = &{1'b0, twos, fours};
        end
        if (KEPT > 0) begin : g_keep
          assign next[below(NEXT, c)+COUNTERS+:KEPT] = heap[below(NOW, c)+TAKEN+:KEPT];
        end
      end
    end
  end

  logic [2:0][COLUMNS-1:0] terms;
  for (genvar c = 0; c < COLUMNS; c = c + 1) begin : g_term
    for (genvar i = 0; i < 3; i = i + 1) begin : g_bit
      if (i < height(behind(LEVELS), c)) begin : g_one
        assign terms[i][c] = g_level[LEVELS].heap[below(behind(LEVELS), c)+i];
      end else begin : g_none
        assign terms[i][c] = 1'b0;
      end
    end
  end

  sum3 #(
    .WIDTH(COLUMNS)
  ) adder (
    .terms,
    .all(1'b1),
    .sum
  );
endmodule

`default_nettype wire
