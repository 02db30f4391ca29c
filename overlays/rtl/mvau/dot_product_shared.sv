// What all rows of a dot product have in common, as dot_product.sv says: the sum of the inputs where
// only one side is bipolar, and a constant.
//
// Latency: REGISTERS cycles, or none where it is the constant alone.
`default_nettype none

module dot_product_shared #(
  parameter int SIMD            = 8,  // as of dot_product, all
  parameter int INPUT_BITS      = 1,
  parameter int INPUT_ENCODING  = 2,
  parameter int WEIGHT_BITS     = 1,
  parameter int WEIGHT_ENCODING = 2,
  parameter int SUM_BITS        = 5,
  parameter int MULTIPLIERS     = 0,
  parameter int REGISTERS       = 0
) (
  input  logic                       aclk,
  input  logic                       advance,
  input  logic [SIMD*INPUT_BITS-1:0] x,
  output logic [SUM_BITS-1:0]        sum
);
  localparam int BIPOLAR = 2;
  localparam bit X_BIPOLAR = INPUT_ENCODING == BIPOLAR;
  localparam bit W_BIPOLAR = WEIGHT_ENCODING == BIPOLAR;
  localparam bit X_SIGNED = INPUT_ENCODING == 1;
  localparam bit W_SIGNED = WEIGHT_ENCODING == 1;
  localparam int PRODUCT_BITS = INPUT_BITS + WEIGHT_BITS;
  localparam int MULTIPLIED_BITS = PRODUCT_BITS > 9 ? PRODUCT_BITS : 9;  // as in dot_product_row
  localparam int HEIGHT_BITS = SUM_BITS * 16;
  localparam int PLACE_BITS = SUM_BITS * 32 + 32;
  // The constant that takes back what complemented planes of a row count for, and -SIMD times what
  // a product is less than its planes.
  localparam logic [63:0] ONES = 64'd1;
  localparam logic [63:0] MOST_X = (ONES << INPUT_BITS) - 64'd1;
  localparam logic [63:0] MOST_W = (ONES << WEIGHT_BITS) - 64'd1;
  localparam logic [63:0] SIGN_X = X_SIGNED ? ONES << (INPUT_BITS - 1) : 64'd0;
  localparam logic [63:0] SIGN_W = W_SIGNED ? ONES << (WEIGHT_BITS - 1) : 64'd0;
  localparam logic [63:0] OF_PRODUCT =
    X_BIPOLAR && W_BIPOLAR ? 64'd1
    : W_BIPOLAR ? 2 * SIGN_X + (MOST_X - SIGN_X)  // the sum of x is complemented too
    : X_BIPOLAR ? (W_SIGNED ? SIGN_W : MOST_W)
    : MULTIPLIERS != 0 ? (X_SIGNED || W_SIGNED ? ONES << (MULTIPLIED_BITS - 1) : 64'd0)
    : SIGN_X * (MOST_W - SIGN_W) + SIGN_W * (MOST_X - SIGN_X);
  localparam logic [SUM_BITS-1:0] CONSTANT = SUM_BITS'(-(64'(SIMD) * OF_PRODUCT));

  // Bipolar weights: less x. Bipolar inputs: less x, or, if no weight is below 0, MOST_W times x.
  localparam int PLANES = W_BIPOLAR ? INPUT_BITS : W_SIGNED ? 1 : WEIGHT_BITS;

  // A plane in each column, and the ones of the constant.
  function automatic int shared_height(input int column);
    shared_height = (column < PLANES ? SIMD : 0) + int'(CONSTANT[column]);
  endfunction

  function automatic logic [HEIGHT_BITS-1:0] shared_heights();
    shared_heights = '0;
    for (int i = 0; i < SUM_BITS; i = i + 1)
      shared_heights = shared_heights | HEIGHT_BITS'(16'(shared_height(i))) << 16 * i;
  endfunction

  // Where the bits of each column begin, and of one behind the last, 32 bits a column.
  function automatic logic [PLACE_BITS-1:0] shared_places();
    int shared_place;
    shared_places = '0;
    shared_place = 0;
    for (int i = 0; i <= SUM_BITS; i = i + 1) begin
      shared_places = shared_places | PLACE_BITS'(shared_place) << 32 * i;
      if (i < SUM_BITS) shared_place = shared_place + shared_height(i);
    end
  endfunction

  localparam logic [PLACE_BITS-1:0] SHARED_PLACES = shared_places();

  if (X_BIPOLAR == W_BIPOLAR) begin : g_constant
    assign sum = CONSTANT;
    logic unused;
    assign unused = &{1'b0, aclk, advance, x};
  end else begin : g_inputs
    logic [int'(SHARED_PLACES[32*SUM_BITS+:32])-1:0] bits;
    for (genvar c = 0; c < SUM_BITS; c = c + 1) begin : g_column
      if (c < PLANES) begin : g_plane
        localparam bit SIGN = X_SIGNED && c == INPUT_BITS - 1;
        localparam bit LESS = W_BIPOLAR ? !SIGN : W_SIGNED;
        for (genvar i = 0; i < SIMD; i = i + 1) begin : g_lane
          assign bits[int'(SHARED_PLACES[32*c+:32])+i] = x[i*INPUT_BITS+(W_BIPOLAR?c : 0)] ^ LESS;
        end
      end
      if (CONSTANT[c]) begin : g_one
        assign bits[int'(SHARED_PLACES[32*(c+1)+:32])-1] = 1'b1;
      end
    end

    bit_heap #(
      .COLUMNS  (SUM_BITS),
      .HEIGHTS  (shared_heights()),
      .REGISTERS(REGISTERS)
    ) add_up (
      .aclk,
      .advance,
      .bits,
      .sum
    );
  end
endmodule

`default_nettype wire
